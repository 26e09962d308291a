/** The plugins of the extension, one file each. Nothing runs before JupyterLab activates them. */

import { answer } from "./answer";
import { order } from "./order";
import { promptCells } from "./prompt_cells";
import { promptCommands } from "./prompt_commands";
import { resume } from "./resume";

export default [answer, order, promptCells, promptCommands, resume];
