/** What the extension says: English, which is its key in JupyterLab's translations, and Chinese. */

import type { ITranslator } from "@jupyterlab/translation";

const CHINESE: Record<string, string> = {};

/** A text in the language of the page. */
export type Words = (english: string) => string;

/** The texts in the language that JupyterLab was set to; a language pack may bring others. */
export function chooseWords(translator: ITranslator | null): Words {
  const bundle = translator?.load("cnai_magic");
  const chinese = /^zh/i.test(translator?.languageCode ?? "");
  return (english) => {
    const translated = bundle?.gettext(english) ?? english;
    return translated === english && chinese ? (CHINESE[english] ?? english) : translated;
  };
}
