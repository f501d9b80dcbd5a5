// One series: its images, its regions, and the ten cases most similar to what is asked about.

import { Asking } from "./asking.js";
import { regionOf } from "./client.js";
import { element, show } from "./dom.js";
import { promptsOf, viewerOf } from "./embedded.js";
import { Heading } from "./heading.js";
import { outlined } from "./question.js";
import { Regions } from "./regions.js";
import { Stage } from "./stage.js";
import { WORDS, troubleOf } from "./strings.js";

const MODALITIES = ["CT", "MR", "PT"];

/** Fill `main` with one series, and follow it until it stands still. */
export function showSeries(main, study, series, isEmbedded = false) {
  const page = new SeriesPage(study, series, isEmbedded);
  show(main, page.heading.root, page.desk);
  main.classList.add("series");
  page.begin();
  return page;
}

class SeriesPage {
  constructor(study, series, isEmbedded) {
    Object.assign(this, { study, series, isEmbedded, isOpen: false });
    this.stage = new Stage({
      point: (lps, positive) => this.asking.point(lps, positive),
      box: (lower, upper) => this.asking.box(lower, upper),
      undo: () => this.asking.undo(),
      number: (number) => this.openVolume(number),
      opened: () => this.asking.redraw(),
      whole: () => this.outlineOthers(),
      windowed: () => this.asking.answers.redraw(),
      left: (found) => this.left(found),
      problem: (error) => this.trouble(error),
    });
    this.viewer = isEmbedded ? viewerOf((asked) => this.viewerAsks(asked)) : null;
    const { viewer } = this;
    this.regions = new Regions({ ask: (found) => this.askKnown(found, true), isAsked: (uid) => this.asking.isAbout(uid) });
    this.asking = new Asking({ study, series }, this.stage, this.regions, {
      compare: (found, match) => (viewer ? viewer.open(found) : this.compare(found, match)),
      open: viewer && ((found) => viewer.open(found)),
    });
    const { answers } = this.asking;
    this.heading = new Heading({
      surroundings: (one) => answers.surroundings(one),
      links: () => answers.links,
      came: (row) => this.came(row),
      lost: (error) => this.lost(error),
    });
    this.imageTrouble = element("p", { class: "trouble", role: "alert", hidden: true });
    this.heading.root.append(this.imageTrouble);
    this.desk = element("div", { class: "desk", hidden: !isEmbedded }, this.stage.root, this.side());
    this.stage.root.hidden = isEmbedded;
  }

  side() {
    const { asked, wishes, filters, answers } = this.asking;
    return element("section", { class: "side", "aria-labelledby": "similar-title" },
      element("h2", { id: "asked-title" }, WORDS.question), this.regions.root, asked.root, wishes.root,
      element("div", { class: "head" }, element("h2", { id: "similar-title" }, WORDS.similar), answers.acts),
      filters.root, answers.root);
  }

  begin() {
    this.heading.follow(this.series);
    this.viewer?.ready();
  }

  // --- news of the series ------------------------------------------------------------------------------------

  came(row) {
    this.desk.hidden = false;
    this.regions.cases = row.cases;
    this.openStage(row.state);
    if (row.state !== "indexed") return;
    this.regions.offer(row.cases);
    this.asking.filters.offer(row.cases[0] || {}, MODALITIES);
    const first = row.cases.find((found) => found.region);
    if (first && this.asking.question.kind === "none" && !this.isEmbedded) this.askKnown(first);
    if (this.stage.root.dataset.loaded === "whole") this.outlineOthers();
  }

  lost(error) {
    if ([401, 403].includes(error.status)) this.desk.hidden = !this.isEmbedded; // one word on it is enough
  }

  trouble(error) {
    this.imageTrouble.hidden = false;
    this.imageTrouble.textContent = troubleOf(error);
  }

  // --- images ------------------------------------------------------------------------------------------------

  openStage(state) {
    if (this.isOpen || this.isEmbedded) return;
    this.stage.root.hidden = state === "refused";
    if (state === "refused") return;
    this.isOpen = true;
    this.imageTrouble.hidden = true;
    const known = this.regions.firstOf();
    this.show(known?.volume_number || 0, known);
  }

  show(number, known) {
    this.stage.open({ study: this.study, series: this.series, number, known });
  }

  openVolume(number) {
    this.stage.keepPlace();
    this.asking.question.number = number;
    this.asking.clear();
    this.show(number, this.regions.firstOf(number));
  }

  /** Outline what else is known here; the region that is asked about comes first, and these one by one after it. */
  outlineOthers() {
    const { study, series } = this;
    return this.regions.outline({ study, series, number: this.stage.number }, () => this.asking.redraw());
  }

  // --- the question, and answers beside it -------------------------------------------------------------------

  askKnown(found, byHand = false) {
    const isHere = found.volume_number === this.stage.number;
    if (byHand && found.region && isHere) this.stage.goTo(found.region.centroid_lps);
    if (!isHere && this.isOpen) {
      this.stage.forget();
      this.show(found.volume_number, found);
    }
    this.asking.known(found);
  }

  /** Open an answer beside the question; `match` is the pair of slices to open both on. */
  compare(found, match) {
    this.asking.answers.mark(found);
    const region = async (one) => outlined(await regionOf(one.study, one.series, one.region.tracking_uid));
    return this.stage.compare(found, region, match || firstMatch(found));
  }

  /** The answer beside was closed. */
  left(found) {
    this.asking.answers.mark(null);
    this.asking.answers.focus(found);
  }

  viewerAsks({ study, series, points }) {
    if (series !== this.series) {
      this.asking.answers.forget();
      this.regions.forget();
      this.heading.follow(series);
    }
    Object.assign(this, { study, series });
    this.asking.measured({ study, series }, promptsOf(points));
  }
}

/** What is compared as a whole opens on the slices that match best; a region opens on itself. */
const firstMatch = (found) => (found.region ? null : (found.matches || []).find((one) => one.asked) || null);
