// Further ways to ask, beside the region or the series: words, a place, measurements, examples, and how to rank.

import { element } from "./dom.js";
import { FEATURES, RANKINGS, WISHES, atPercentile, examplesOf } from "./strings.js";

const MODES = ["any", "same", "chosen"];
/** How long a slider rests before the archive is asked, ms. */
const REST = 350;

export class Wishes {
  /** `does`: {changed(), place() → {lps} or {relative} or null, examples() → {like, unlike}}. */
  constructor(does) {
    this.does = does;
    this.forget();
    this.subject = { hasRegion: false, isSeries: false };
    this.count = element("span", { class: "badge", hidden: true });
    this.words = element("input", { type: "search", id: "wish-words", maxlength: 2000, placeholder: WISHES.wordsExample, autocomplete: "off", onchange: () => this.set({ text: this.words.value.trim() }) });
    this.place = this.chip("place", WISHES.place, () => this.set({ place: !this.chosen.place }));
    this.examples = this.chip("examples", "", () => this.set({ examples: !this.chosen.examples }));
    this.onePer = this.chip("onePer", WISHES.onePerStudy, () => this.set({ onePer: !this.chosen.onePer }));
    this.ranking = element("select", { class: "chip", "data-wish": "ranking", "aria-label": WISHES.ranking, onchange: () => this.set({ ranking: this.ranking.value }) });
    this.rows = Object.entries(FEATURES).map(([name, word]) => new Measured(name, word, () => this.changed()));
    this.root = element("details", { class: "wishes" },
      element("summary", {}, WISHES.title, " ", this.count),
      element("div", { class: "wish-line" }, element("label", { for: "wish-words" }, WISHES.words), this.words),
      element("div", { class: "chips" }, this.place, this.examples, this.onePer, this.ranking),
      element("fieldset", { class: "measured" }, element("legend", {}, WISHES.measured), this.rows.map((row) => row.root)),
      element("button", { type: "button", class: "quiet-button", "data-wish": "clear", onclick: () => this.clear() }, WISHES.clear));
    this.offer(this.subject);
  }

  forget() {
    this.chosen = { text: "", place: false, examples: false, onePer: false, ranking: "" };
  }

  chip(name, text, act) {
    return element("button", { type: "button", class: "chip", "data-wish": name, "aria-pressed": "false", onclick: act }, text);
  }

  set(change) {
    Object.assign(this.chosen, change);
    this.changed();
  }

  changed() {
    this.offer(this.subject);
    this.does.changed();
  }

  clear() {
    this.forget();
    this.words.value = "";
    this.rows.forEach((row) => row.clear());
    this.changed();
  }

  /** Offer what fits the question: `hasRegion`, or `isSeries` for a whole series. */
  offer(subject) {
    this.subject = subject;
    const { chosen } = this;
    const { like, unlike } = this.does.examples();
    const press = (button, isOn) => button.setAttribute("aria-pressed", String(isOn));
    press(this.place, chosen.place);
    press(this.examples, chosen.examples);
    press(this.onePer, chosen.onePer);
    this.examples.textContent = examplesOf(like.length, unlike.length);
    this.examples.disabled = !like.length && !unlike.length && !chosen.examples;
    const fitting = RANKINGS.filter(({ of }) => !of || (of === "series") === subject.isSeries);
    if (!fitting.some(({ name }) => name === chosen.ranking)) chosen.ranking = "";
    this.ranking.replaceChildren(...fitting.map(({ name, text }) => element("option", { value: name, selected: name === chosen.ranking }, text)));
    this.ranking.classList.toggle("on", Boolean(chosen.ranking));
    this.rows.forEach((row) => row.offer(subject.hasRegion));
    const active = [chosen.text, chosen.place, chosen.examples, chosen.onePer, chosen.ranking, ...this.rows.map((row) => row.wish())].filter(Boolean).length;
    this.count.hidden = !active;
    this.count.textContent = String(active);
    this.active = active;
  }

  /** Whether the archive can be asked by these alone. */
  get isQuestion() {
    return Boolean(this.chosen.text || this.chosen.place || this.rows.some((row) => row.wish()));
  }

  /** What the worker is told. */
  asked() {
    const { text, examples, onePer, ranking } = this.chosen;
    const place = this.chosen.place && this.does.place();
    const radiomics = this.rows.map((row) => row.wish()).filter(Boolean);
    return {
      ...(text ? { text } : {}),
      ...(place ? { at: place } : {}),
      ...(radiomics.length ? { radiomics } : {}),
      ...(examples ? this.does.examples() : {}),
      ...(onePer ? { one_per: "study" } : {}),
      ...(ranking ? { rank_by: ranking } : {}),
    };
  }
}

/** One radiomics feature: any value, that of the region asked about, or one by its percentile. */
class Measured {
  constructor(name, word, changed) {
    Object.assign(this, { name, changed, mode: "any" });
    this.choice = element("select", { "data-feature": name, "aria-label": word, onchange: () => this.set(this.choice.value) });
    this.range = element("input", { type: "range", min: 0, max: 100, step: 5, value: 50, "aria-label": `${word}: ${WISHES.percentile}`, oninput: () => this.slid() });
    this.told = element("output", { class: "number" });
    this.root = element("div", { class: "feature" }, element("span", { "aria-hidden": "true" }, word), this.choice, this.range, this.told);
  }

  set(mode) {
    this.mode = mode;
    this.changed();
  }

  clear() {
    this.mode = "any";
    this.range.value = 50;
  }

  slid() {
    this.tell();
    window.clearTimeout(this.rests);
    this.rests = window.setTimeout(this.changed, REST);
  }

  tell() {
    this.told.textContent = this.mode === "chosen" ? atPercentile(Number(this.range.value)) : "";
    this.range.setAttribute("aria-valuetext", atPercentile(Number(this.range.value)));
  }

  offer(hasRegion) {
    if (this.mode === "same" && !hasRegion) this.mode = "any";
    const fitting = MODES.filter((mode) => mode !== "same" || hasRegion);
    this.choice.replaceChildren(...fitting.map((mode) => element("option", { value: mode, selected: mode === this.mode }, WISHES.modes[mode])));
    this.range.hidden = this.mode !== "chosen";
    this.tell();
  }

  wish() {
    if (this.mode === "any") return null;
    return this.mode === "same" ? { name: this.name } : { name: this.name, percentile: Number(this.range.value) };
  }
}
