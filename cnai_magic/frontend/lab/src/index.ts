/** The plugins of the extension, one file each. Nothing runs before JupyterLab activates them. */

import { answer } from "./answer";
import { answerCommands } from "./answer_commands";
import { conversations } from "./conversations";
import { emptiedPrompts } from "./emptied_prompts";
import { lostAnswers } from "./lost_answers";
import { order } from "./order";
import { promptCells } from "./prompt_cells";
import { promptCommands } from "./prompt_commands";
import { resume } from "./resume";
import { status } from "./status";

export default [answer, answerCommands, conversations, emptiedPrompts, lostAnswers, order, promptCells, promptCommands, resume, status];
