// The regions of a series that the archive knows: buttons that ask about them, and thin outlines beside the one asked about.

import { regionOf } from "./client.js";
import { element, show } from "./dom.js";
import { outlined } from "./question.js";
import { WORDS, millilitres, volumeNumber } from "./strings.js";

/** At most so many are outlined beside the one that is asked about. */
const OUTLINES = 24;

export class Regions {
  /** `does`: {ask(found), isAsked(uid)}. */
  constructor(does) {
    Object.assign(this, { does, cases: [], outlines: new Map() });
    this.root = element("div", { class: "known", role: "group", "aria-label": WORDS.regions });
  }

  /** Offer the regions of a series, and the series itself. */
  offer(cases) {
    this.cases = cases;
    const several = new Set(cases.map((found) => found.volume_number)).size > 1;
    const regions = cases.filter((found) => found.region);
    const button = (found) =>
      element("button", { type: "button", class: "chip region", "data-known": found.case, "aria-pressed": String(this.does.isAsked(found.case)), onclick: () => this.does.ask(found) }, nameOf(found, several));
    show(this.root,
      regions.map(button),
      cases.filter((found) => !found.region).map(button),
      regions.length ? null : element("p", { class: "quiet" }, WORDS.noRegions));
  }

  press() {
    for (const chip of this.root.querySelectorAll("[data-known]")) {
      chip.setAttribute("aria-pressed", String(this.does.isAsked(chip.dataset.known)));
    }
  }

  /** The case that shows a volume best: of a region of it, else of any; undefined where none is known. */
  firstOf(number) {
    const here = this.cases.filter((found) => number === undefined || found.volume_number === number);
    return here.find((found) => found.region) || here[0];
  }

  forget() {
    this.cases = [];
    this.outlines.clear();
  }

  /** Fetch the outlines of a volume's regions one by one; `came()` after each. */
  async outline({ study, series, number }, came) {
    const known = this.cases.filter((found) => found.region && found.volume_number === number).slice(0, OUTLINES);
    if (known.length < 2) return;
    for (const { case: uid, region } of known) {
      if (this.outlines.has(uid)) continue;
      const told = await regionOf(study, series, region.tracking_uid).catch(() => null);
      if (told) this.outlines.set(uid, { ...outlined(told), number, kind: "known" });
      came();
    }
  }

  /** The outlines that are known in a volume, but for some by their Tracking UIDs. */
  outlinesOf(number, without) {
    return [...this.outlines.values()].filter((one) => one.number === number && !without.includes(one.told.tracking_uid));
  }
}

function nameOf({ region, volume_label: label, volume_number: number }, several) {
  const words = region ? [region.label || region.finding?.meaning || WORDS.region, millilitres(region.volume_ml)] : [WORDS.wholeSeries];
  if (several) words.push(label || volumeNumber(number));
  return words.filter(Boolean).join(" · ");
}
