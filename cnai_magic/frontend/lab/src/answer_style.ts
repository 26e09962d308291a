/** The look of what stands with an answer: as the notebook's own, quiet, in every theme. */

/** As high as the live answer keeps free below itself, so that nothing moves at the end. */
export const ROW_HEIGHT = "24px";

export const css = `
:root { --cnai-row-height: ${ROW_HEIGHT}; }
.cnai-row {
  box-sizing: border-box;
  display: flex;
  align-items: center;
  gap: 2px;
  height: ${ROW_HEIGHT};
  margin: -0.5em 0 0.5em;
  overflow: hidden;
  color: var(--jp-ui-font-color2);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size0, 11px);
  line-height: ${ROW_HEIGHT};
  white-space: nowrap;
  user-select: none;
}
.cnai-row [hidden] { display: none !important; }
.cnai-row button {
  flex: none;
  height: 20px;
  margin: 0;
  border: 0;
  border-radius: var(--jp-border-radius, 2px);
  background: none;
  color: inherit;
  font: inherit;
  line-height: 20px;
  cursor: pointer;
}
.cnai-row button:hover { background: var(--jp-layout-color2); color: var(--jp-ui-font-color1); }
.cnai-row button:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: -2px; }
.cnai-row .cnai-row-icon { display: flex; align-items: center; justify-content: center; width: 22px; padding: 0; opacity: 0.75; }
.cnai-row .cnai-row-icon:is(:hover, :focus-visible) { opacity: 1; }
.cnai-row .cnai-row-icon[aria-disabled="true"] { opacity: 0.3; background: none; cursor: default; }
.cnai-row .cnai-copied { background: var(--jp-layout-color2); opacity: 1; }
.cnai-row .cnai-row-icon span, .cnai-row .cnai-row-icon svg { display: block; }
.cnai-row .cnai-row-position { flex: none; font-variant-numeric: tabular-nums; }
.cnai-row :is(.cnai-row-number, .cnai-row-stale) { flex: 0 1 auto; min-width: 0; margin-inline-start: 6px; overflow: hidden; text-overflow: ellipsis; }
.cnai-row .cnai-row-text { flex: 0 1 auto; min-width: 0; padding: 0 6px; overflow: hidden; text-overflow: ellipsis; color: var(--jp-content-link-color, var(--jp-brand-color1)); }
.cnai-row .cnai-row-stale + .cnai-row-text { flex: none; }
.cnai-row .cnai-row-choice { display: flex; flex: 0 1 auto; align-items: center; min-width: 0; margin-inline-start: 6px; overflow-x: auto; scrollbar-width: none; }
.cnai-row .cnai-row-choice > .cnai-row-text { flex: none; min-width: 20px; }
.cnai-row .cnai-row-text:hover { color: var(--jp-content-link-color, var(--jp-brand-color1)); text-decoration: underline; }
.cnai-row .cnai-row-asked { flex: 0 1 auto; min-width: 0; padding: 0 6px; overflow: hidden; text-overflow: ellipsis; font-style: italic; }
.cnai-row-question { max-height: 40vh; overflow: auto; padding: 2px 8px; border-inline-start: 2px solid var(--jp-border-color2); color: var(--jp-ui-font-color2); white-space: pre-wrap; overflow-wrap: anywhere; }
.cnai-row-question[hidden], .cnai-followed .cnai-remark { display: none; }
.jp-Cell.cnai-stale > .jp-Cell-outputWrapper { box-shadow: inset 2px 0 0 var(--jp-warn-color1); }
`;
