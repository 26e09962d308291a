/** What the extension says: English, which is its key in JupyterLab's translations, and Chinese beside it. */

import type { ITranslator } from "@jupyterlab/translation";

const CHINESE: Record<string, string> = {
  "Insert Prompt Cell Below": "在下方插入提示词单元格",
  "Insert a cell below that asks a model": "在下方插入向模型提问的单元格",
  "Change to Prompt Cell Type": "更改为提示词单元格类型",
  "Make the cell ask a model": "让此单元格向模型提问",
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
