/** The plugins of the extension, one file each. Nothing runs before JupyterLab activates them. */

import { order } from "./order";
import { promptCells } from "./prompt_cells";
import { promptCommands } from "./prompt_commands";

export default [order, promptCells, promptCommands];
