// What the answers must satisfy, as chips: one press narrows, another one widens again.

import { element } from "./dom.js";
import { CHIPS, SEXES, WORDS, agesAround, sameBodyPart } from "./strings.js";

const YEARS = [0, 1, 2, 5, 10];
const AGES = [0, 5, 10, 20];

export class Filters {
  constructor(changed) {
    this.chosen = { modality: "", sex: "", ages: 0, bodyPart: false, years: 0, samePatient: false };
    this.changed = changed;
    this.about = {};
    this.root = element("div", { class: "chips", role: "group", "aria-label": WORDS.filters });
  }

  /** Offer what fits the case that is asked about. */
  offer(about, modalities) {
    Object.assign(this, { about, modalities });
    const held = this.root.contains(document.activeElement) ? document.activeElement.dataset.chip : "";
    this.root.replaceChildren(...this.chips().filter(Boolean));
    if (held) this.root.querySelector(`[data-chip="${CSS.escape(held)}"]`)?.focus();
  }

  chips() {
    const { about, chosen } = this;
    const age = about.patient_age_years;
    return [
      ...this.modalities.map((one) => this.chip(`modality-${one}`, one, "modality", one)),
      ...["F", "M"].map((sex) => this.chip(`sex-${sex}`, SEXES[sex], "sex", sex)),
      age !== undefined && this.choice("ages", AGES.map((span) => [span, span ? agesAround(age, span) : CHIPS.anyAge])),
      about.body_part_examined && this.chip("bodyPart", sameBodyPart(about.body_part_examined), "bodyPart", true),
      this.choice("years", YEARS.map((span) => [span, CHIPS.years(span)])),
      this.chip("samePatient", CHIPS.samePatient, "samePatient", true),
      Object.values(chosen).some(Boolean) &&
        element("button", { type: "button", class: "quiet-button", "data-chip": "clear", onclick: () => this.clear() }, CHIPS.clear),
    ];
  }

  chip(name, text, key, value) {
    const isOn = this.chosen[key] === value;
    const off = typeof value === "boolean" ? false : "";
    return element(
      "button",
      { type: "button", class: "chip", "data-chip": name, "aria-pressed": String(isOn), onclick: () => this.set(key, isOn ? off : value) },
      text,
    );
  }

  choice(key, options) {
    return element(
      "select",
      { class: this.chosen[key] ? "chip on" : "chip", "data-chip": key, "aria-label": CHIPS.labels[key], onchange: (event) => this.set(key, Number(event.target.value)) },
      options.map(([value, text]) => element("option", { value, selected: value === this.chosen[key] }, text)),
    );
  }

  set(key, value) {
    this.chosen[key] = value;
    this.offer(this.about, this.modalities);
    this.changed();
  }

  clear() {
    this.chosen = { modality: "", sex: "", ages: 0, bodyPart: false, years: 0, samePatient: false };
    this.offer(this.about, this.modalities);
    this.root.querySelector("[data-chip]")?.focus();
    this.changed();
  }

  /** What the worker is told. */
  asked() {
    const { modality, sex, ages, bodyPart, years, samePatient } = this.chosen;
    const attributes = {};
    if (modality) attributes.Modality = modality;
    if (sex) attributes.PatientSex = sex;
    if (bodyPart) attributes.BodyPartExamined = this.about.body_part_examined;
    if (years) attributes.StudyDate = `${dateBefore(years)}-`;
    const filters = { attributes, include_same_patient: samePatient };
    const age = this.about.patient_age_years;
    if (ages && age !== undefined) Object.assign(filters, { age_min: Math.max(0, age - ages), age_max: age + ages });
    return filters;
  }
}

function dateBefore(years) {
  const then = new Date();
  then.setFullYear(then.getFullYear() - years);
  return then.toISOString().slice(0, 10).replaceAll("-", "");
}
