/** Entities and escapes, as characters. */

const NAMED: Record<string, string> = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", colon: ":", Tab: "\t", NewLine: "\n",
  copy: "\u00a9", hellip: "\u2026", mdash: "\u2014", ndash: "\u2013", times: "\u00d7", deg: "\u00b0",
  larr: "\u2190", rarr: "\u2192", le: "\u2264", ge: "\u2265", ne: "\u2260", lsquo: "\u2018", rsquo: "\u2019",
  ldquo: "\u201c", rdquo: "\u201d", middot: "\u00b7", bull: "\u2022", euro: "\u20ac", lpar: "(", rpar: ")",
};
export const ENTITY = /&(?:#[xX]([0-9a-fA-F]{1,6})|#([0-9]{1,7})|([A-Za-z][A-Za-z0-9]{1,31}));/y;
const ANY_ENTITY = new RegExp(ENTITY.source, "g");
const ESCAPED = /\\([!-/:-@[-`{-~])/g;

/** The character that an entity stands for, or the entity itself where it is not known. */
export function decodeEntity(entity: string, hex?: string, decimal?: string, name?: string): string {
  if (name !== undefined) return Object.prototype.hasOwnProperty.call(NAMED, name) ? NAMED[name]! : entity;
  const code = hex !== undefined ? parseInt(hex, 16) : parseInt(decimal ?? "", 10);
  const valid = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return valid ? String.fromCodePoint(code) : "\ufffd";
}

/** A link's target as Markdown writes it, without its escapes and entities. */
export function unescapeTarget(target: string): string {
  return target
    .replace(ANY_ENTITY, (entity, hex, decimal, name) => decodeEntity(entity, hex, decimal, name))
    .replace(ESCAPED, "$1");
}
