/** The words of the live answer: English, which is the key, and the language that the kernel speaks. */

const CHINESE: Record<string, string> = {
  "turn {turn}": "第 {turn} 轮",
  "turn {turn}, attempt {attempt}": "第 {turn} 轮第 {attempt} 次",
  "waiting {time} s": "等待中 {time} 秒",
  "queued {time} s": "排队中 {time} 秒",
  "waiting for prices {time} s": "等待价格表 {time} 秒",
  "waiting for the budget {time} s": "等待预算 {time} 秒",
  "waiting for its turn {time} s": "等待轮到 {time} 秒",
  "{why}; trying again": "{why}；正在重试",
  "{why}; trying again in {time} s": "{why}；{time} 秒后重试",
  failed: "失败",
  thinking: "思考中",
  "{count} token": "{count} tokens",
  "{count} tokens": "{count} tokens",
  " ({count} thinking)": "（思考 {count}）",
  "{rate}/s": "{rate} tokens/秒",
  "kernel {event}: nothing had arrived": "内核{event}：还没有收到任何内容",
  "kernel {event}: the answer above is all that arrived": "内核{event}：上面的回答就是收到的全部",
  "kernel {event}": "内核{event}",
  "kernel {event}: what stands here is all that arrived": "内核{event}：这里的内容就是收到的全部",
  restarted: "已重启",
  gone: "已断开",
  Stop: "停止",
  "Stopping\u2026": "正在停止\u2026",
  Stopping: "正在停止",
  "Stop this answer": "停止这个回答",
  "Stopping this answer": "正在停止这个回答",
  "The answer is complete": "回答完毕",
  "The answer is arriving": "回答正在到来",
  "The question is queued": "提问正在排队",
  "Waiting for the answer": "正在等待回答",
  "The kernel could not be reached from here: press the notebook\u2019s own Interrupt button.":
    "从这里无法联系内核：请按笔记本自己的“中断”按钮。",
  Reasoning: "思考过程",
  "Answers side by side": "并排的回答",
  "Answer {number}: {what}": "回答 {number}：{what}",
  "Text of answer {number}": "回答 {number} 的内容",
  "Stop all": "全部停止",
  "Stop answer {number}": "停止回答 {number}",
  "Stopping answer {number}": "正在停止回答 {number}",
  "first token {time} s": "首个 token {time} 秒",
  "{time} s": "{time} 秒",
  stopped: "已停止",
  "{done} of {count} answers are over": "{count} 个回答中 {done} 个已结束",
  "This Stop could not reach the kernel: the notebook\u2019s own Interrupt button stops all of them.":
    "此处的停止无法联系内核：笔记本自己的“中断”按钮会全部停止。",
};

/** A text with its facts filled in. */
export type Words = (english: string, facts?: Record<string, string | number>) => string;

export function chooseWords(language = "en"): Words {
  const translations = language === "zh" ? CHINESE : {};
  return (english, facts = {}) => (translations[english] ?? english).replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name]));
}

export const sayInEnglish = chooseWords();
