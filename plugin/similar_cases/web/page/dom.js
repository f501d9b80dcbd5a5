// Elements are made here alone. Data reaches the page as text, never as markup.

/** Make an element: attributes by name, `on…` handlers as functions; children are elements or text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...kept(children));
  return made;
}

/** Children of any depth of lists, without those that are nothing: conditions may stand among them. */
const kept = (children) => children.flat(Infinity).filter((child) => ![null, undefined, false, ""].includes(child));

/** Show `children` in place of what `parent` held. */
export function show(parent, ...children) {
  parent.replaceChildren(...kept(children));
}

/** Tell those who hear the page what changed. */
export function announce(text) {
  document.getElementById("news").textContent = text;
}

/** Pairs of a term and its value; pairs without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return element(
    "dl",
    { class: "facts" },
    known.map(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
  );
}

/** Call `then` when what was changed is on the screen. */
export const afterDrawing = (then) => window.requestAnimationFrame(() => window.requestAnimationFrame(then));
