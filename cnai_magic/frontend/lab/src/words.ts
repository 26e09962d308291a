/** What the extension says: English, which is its key in JupyterLab's translations, and Chinese beside it. */

import type { ITranslator } from "@jupyterlab/translation";

const CHINESE: Record<string, string> = {
  "Insert Prompt Cell Below": "在下方插入提示词单元格",
  "Insert a cell below that asks a model": "在下方插入向模型提问的单元格",
  "Change to Prompt Cell Type": "更改为提示词单元格类型",
  "Make the cell ask a model": "让此单元格向模型提问",
  "Answer": "回答",
  "Model that is asked: press to choose another": "所提问的模型：点按以更换",
  "Conversation in use, what this notebook has spent, and what is left of the budgets": "当前对话、此笔记本的花费以及剩余预算",
  "demo credit {spent}": "演示额度 {spent}",
  "{left} left": "剩余 {left}",
  "{left} left today": "今日剩余 {left}",
  "no model": "无模型",
  "Model to ask": "要提问的模型",
  "Prices are for a million tokens.": "价格按每百万 token 计。",
  "{input} in, {output} out": "输入 {input}，输出 {output}",
  "unpriced": "无价格",
  "free": "免费",
  "Use": "使用",
  "Fork": "分叉",
  "Export": "导出",
  "Conversations": "对话",
  "Show Conversations": "显示对话",
  "This notebook has no conversation in a running kernel.": "此笔记本在运行中的内核里没有对话。",
  "in use": "使用中",
  "from {name}": "来自 {name}",
  "1 turn": "1 轮",
  "{count} turns": "{count} 轮",
  "{count} attempts": "{count} 次回答",
  "{count} tokens": "{count} 个 token",
  "stale": "已过时",
  "Fork after turn {number} of {name}": "在 {name} 的第 {number} 轮之后分叉",
  "Fork {name}": "分叉 {name}",
  "Fork {name} after turn {at}": "在 {name} 的第 {at} 轮之后分叉",
  "Name of the fork (empty: chat-2, chat-3, …)": "新对话的名称（留空：chat-2、chat-3……）",
  "Export {name}": "导出 {name}",
  "File in the notebook’s folder: .md, .ipynb or .json": "笔记本所在文件夹中的文件：.md、.ipynb 或 .json",
  "An answer is coming · {seconds} s": "回答正在生成 · {seconds} 秒",
  "An answer will come": "回答即将生成",
  "Former attempt": "上一次回答",
  "Later attempt": "下一次回答",
  "Attempt {index} of {count}": "第 {index} 次回答，共 {count} 次",
  "Keep:": "保留：",
  "Ask again for what failed": "重新询问失败的部分",
  "asking again …": "正在重新询问……",
  "Keep answer {number} in the conversation": "把回答 {number} 保留在对话中",
  "Copy answer": "复制回答",
  "Copied": "已复制",
  "Not copied": "未能复制",
  "Code to a new cell below": "把代码放入下方新单元格",
  "turn {number} now": "现为第 {number} 轮",
  "taken out of the conversation": "已从对话中移除",
  "asked: {question}": "提问：{question}",
  "Show Former Attempt": "显示上一次回答",
  "Show Later Attempt": "显示下一次回答",
  "Copy Answer": "复制回答",
  "Put Code of Answer into New Cell": "把回答中的代码放入新单元格",
  "Run Stale Answers from Here On": "从此处起重新运行已过时的回答",
  "asked with other turns above": "提问时上方的内容与现在不同",
  "ask again": "重新提问",
  "1 below is stale: run it": "下方有 1 个回答已过时：重新运行",
  "{count} below are stale: run them": "下方有 {count} 个回答已过时：重新运行",
};

/** A text in the language of the page. */
export type Words = (english: string) => string;

/** The texts in the language that JupyterLab was set to; a language pack that has them is asked first. */
export function chooseWords(translator: ITranslator | null): Words {
  const bundle = translator?.load("cnai_magic");
  const chinese = /^zh/i.test(translator?.languageCode ?? "");
  return (english) => {
    const translated = bundle?.gettext(english) ?? english;
    return translated === english && chinese ? (CHINESE[english] ?? english) : translated;
  };
}

/** A text with its values: `{count}` becomes that of `count`. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
