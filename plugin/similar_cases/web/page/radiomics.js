// What was measured, side by side: the question and its answers, as a table that can be taken along.

import { caseOf } from "./client.js";
import { copy, csvOf, download } from "./carry.js";
import { announce, element, show } from "./dom.js";
import { WORDS, featureName, measured, shortNumber } from "./strings.js";

/** Show the table in a dialog; `asked` are the question's features, or null where it has none. */
export async function showRadiomics(asked, cases) {
  const body = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": WORDS.radiomics }, element("p", { class: "quiet" }, WORDS.loading));
  const acts = element("div", { class: "acts" });
  const dialog = element(
    "dialog",
    { class: "wide", "aria-labelledby": "radiomics-title" },
    element("div", { class: "head" },
      element("h2", { id: "radiomics-title" }, WORDS.radiomics),
      acts,
      element("button", { type: "button", "data-act": "close", onclick: () => dialog.close() }, WORDS.close)),
    body,
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  const told = await Promise.all(cases.map((found) => caseOf(found.case).catch(() => ({}))));
  const columns = [...(asked ? [{ name: WORDS.asked, values: asked }] : []),
    ...told.map((one, at) => ({ name: `${cases[at].rank}`, values: one.radiomics || {} }))];
  const names = [...new Set(columns.flatMap((column) => Object.keys(column.values)))].sort(inOrder);
  if (!names.length) return show(body, element("p", { class: "quiet" }, WORDS.noRadiomics));
  const rows = [[WORDS.feature, ...columns.map((column) => column.name)], ...names.map((name) => [name, ...columns.map((column) => column.values[name] ?? "")])];
  show(acts,
    element("button", { type: "button", "data-act": "csv", onclick: () => download("radiomics.csv", csvOf(rows)) }, WORDS.exportCsv),
    element("button", { type: "button", "data-act": "copy", onclick: async () => announce((await copy(rows)) ? WORDS.copied : WORDS.notCopied) }, WORDS.copy));
  show(body, tableOf(columns, names));
  return undefined;
}

const CLASSES = ["shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"];
const inOrder = (a, b) => CLASSES.indexOf(a.split("_")[0]) - CLASSES.indexOf(b.split("_")[0]) || a.localeCompare(b);

function tableOf(columns, names) {
  let group = "";
  const rows = names.flatMap((name) => {
    const kind = name.split("_")[0];
    const line = element("tr", {},
      element("th", { scope: "row" }, featureName(name)),
      columns.map((column) => element("td", { class: "number" }, column.values[name] === undefined ? "–" : shortNumber(column.values[name]))));
    if (kind === group) return [line];
    group = kind;
    return [element("tr", { class: "kind" }, element("th", { scope: "rowgroup", colspan: columns.length + 1 }, measured(kind))), line];
  });
  return element("table", { class: "radiomics" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, WORDS.feature), columns.map((column) => element("th", { scope: "col", class: "number" }, column.name)))),
    element("tbody", {}, rows));
}
