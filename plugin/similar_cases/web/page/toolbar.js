// The tools over the images: what a click does, the window, what is drawn over the pictures, and which volume is shown.

import { element, show } from "./dom.js";
import { KEYS, WORDS } from "./strings.js";

const ZOOM = 1.25;
const TOOLS = ["point", "box", "window", "pan"];
const SWITCHES = { isNegative: KEYS.outside, showsRegions: KEYS.regions, showsCrosshair: KEYS.crosshair };

export class Toolbar {
  /** `does`: {tool(name), toggle(name), zoom(factor), fit(), centre(), window(at), number(number)}. */
  constructor(does) {
    const button = (name, word, act, pressed) =>
      element("button", { type: "button", "data-act": name, title: word.title, "aria-label": word.label, "aria-pressed": pressed, onclick: act }, word.text);
    this.tools = Object.fromEntries(TOOLS.map((name) => [name, button(name, KEYS.tools[name], () => does.tool(name), "false")]));
    this.switches = Object.fromEntries(Object.entries(SWITCHES).map(([name, word]) => [name, button(name, word, () => does.toggle(name), "false")]));
    this.windows = element("select", { "aria-label": WORDS.window, onchange: () => does.window(this.windows.selectedIndex) });
    this.numbers = element("select", { "aria-label": WORDS.volumeChoice, hidden: true, onchange: () => does.number(Number(this.numbers.value)) });
    const { isNegative, showsRegions, showsCrosshair } = this.switches;
    this.root = element(
      "div",
      { class: "tools", role: "toolbar", "aria-label": WORDS.tools },
      element("div", { class: "group", role: "group", "aria-label": WORDS.tool }, Object.values(this.tools)),
      isNegative,
      this.windows,
      element("div", { class: "group" }, showsRegions, showsCrosshair),
      element("div", { class: "group" },
        button("zoomOut", KEYS.zoomOut, () => does.zoom(1 / ZOOM)), button("zoomIn", KEYS.zoomIn, () => does.zoom(ZOOM)),
        button("fit", KEYS.fit, does.fit), button("centre", KEYS.centre, does.centre)),
      this.numbers,
    );
  }

  /** Press what is on in a scene. */
  press(scene) {
    const set = (button, isOn) => {
      if (button.getAttribute("aria-pressed") !== String(isOn)) button.setAttribute("aria-pressed", String(isOn));
    };
    for (const [name, button] of Object.entries(this.tools)) set(button, name === scene.tool);
    for (const [name, button] of Object.entries(this.switches)) set(button, scene[name]);
  }

  /** Offer windows, and one that hands made. */
  offerWindows(choices) {
    this.choices = choices;
    show(this.windows, choices.map((one) => element("option", {}, one.name)), element("option", { hidden: true }, WORDS.ownWindow));
  }

  chooseWindow({ name }) {
    const at = this.choices.findIndex((one) => one.name === name);
    this.windows.selectedIndex = at < 0 ? this.choices.length : at;
  }

  offerVolumes({ volumes, number }) {
    this.numbers.hidden = volumes.length < 2;
    show(this.numbers, volumes.map((one) =>
      element("option", { value: one.number, selected: one.number === number }, one.label || `${WORDS.volume} ${one.number + 1}`)));
  }
}

/** What the keyboard does in a view. */
export function keyHelp() {
  return element(
    "details",
    { class: "keys" },
    element("summary", {}, WORDS.keys),
    element("dl", { class: "facts", id: "keys" }, KEYS.help.map(([keys, act]) => [element("dt", {}, keys), element("dd", {}, act)])),
  );
}
