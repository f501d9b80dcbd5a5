// The light box: one series in three planes, and, to compare, another one beside it.

import { Beside } from "./beside.js";
import { middleOf, pictureOf } from "./client.js";
import { element, show } from "./dom.js";
import { carried, firstWindow, presets } from "./grey.js";
import { planeMask } from "./mask.js";
import { Scene } from "./scene.js";
import { KEYS, WORDS, comparedWith, loadedPart, viewName } from "./strings.js";
import { Toolbar, keyHelp } from "./toolbar.js";
import { View } from "./view.js";
import { load, volumeOfPicture } from "./volume.js";

export class Stage {
  /**
   * `does`: {point(lps, positive), box(lower, upper), undo(), number(number), opened(volume), whole(), windowed(),
   * left(found), problem(error)}.
   */
  constructor(does) {
    this.does = does;
    this.scene = new Scene();
    this.other = null;
    this.isLinked = true;
    this.loading = null;
    const keys = {
      point: (lps, positive) => does.point(lps, positive),
      box: (lower, upper) => does.box(lower, upper),
      undo: () => does.undo(),
      window: (step) => this.nextWindow(step),
      preset: (number) => this.setWindow(number - 1),
      toggle: (name) => this.toggle(name),
      centre: () => this.centre(),
      link: () => this.setLinked(!this.isLinked),
      hover: (index) => this.probe(index),
    };
    this.views = [0, 1, 2].map((number) => new View(this.scene, number, viewName(number), keys));
    this.toolbar = new Toolbar({
      tool: (name) => this.setTool(name),
      toggle: (name) => this.toggle(name),
      fit: () => this.fit(),
      zoom: (factor) => this.zoom(factor),
      centre: () => this.centre(),
      window: (at) => this.setWindow(at),
      number: (number) => does.number(number),
    });
    this.small = element("div", { class: "small-views" }, this.views[1].root, this.views[2].root);
    this.beside = element("div", { class: "beside", hidden: true });
    this.frame = element("div", { class: "views" }, this.views[0].root, this.small, this.beside);
    this.state = element("p", { class: "stage-state quiet" });
    this.value = element("span", { class: "number probe", "aria-hidden": "true" });
    this.progress = element("progress", { class: "loading", max: 1, value: 0, hidden: true, "aria-label": WORDS.loadingImages });
    this.root = element("section", { class: "stage", "aria-label": WORDS.images }, this.toolbar.root, this.frame, this.progress,
      element("div", { class: "foot" }, this.state, this.value, keyHelp()));
    this.scene.listen((what) => this.followed(what));
    this.toolbar.press(this.scene);
  }

  /** What the greys of the images mean: {window, unit, range}; null before there are any. */
  get greys() {
    const { volume, window } = this.scene;
    return volume && { window, unit: volume.unit, range: volume.range };
  }

  // --- what is shown -----------------------------------------------------------------------------------------

  /** Open a series; a picture stands until the volume has come: that of `known`, a case of it, or one of its slices. */
  async open({ study, series, number = 0, known }) {
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    Object.assign(this, { study, series, number, known, isPoster: false });
    this.progress.hidden = false;
    this.progress.removeAttribute("value");
    this.state.textContent = WORDS.loadingImages;
    const poster = this.poster(known, loading.signal);
    try {
      await load({
        study, series, number, signal: loading.signal,
        opened: (volume) => volume.grid.toIndex(this.begin(volume))[0],
        came: (volume) => this.came(volume),
      });
    } catch (error) {
      if (loading.signal.aborted) return;
      await poster;
      this.progress.hidden = true;
      this.state.textContent = "";
      this.does.problem(error);
    }
  }

  /** Where to look first, LPS mm. */
  begin(volume) {
    if (this.scene.volume && this.wantsPlace) return this.wantsPlace;
    // the key picture of a case stays; any slice of a series that has none yet gives way to its middle
    if (this.isPoster && this.known) return this.scene.volume.grid.toLps(this.scene.cursor);
    return this.known?.region?.centroid_lps || volume.grid.toLps(volume.grid.middle());
  }

  async poster(known, signal) {
    try {
      const told = await (known ? pictureOf(known.case) : middleOf(this.study, this.series));
      if (signal.aborted || this.real === this.series) return;
      const volume = volumeOfPicture(told);
      this.isPoster = true;
      this.frame.classList.add("poster");
      this.scene.regions = told.runs ? [{ mask: planeMask(told.runs, told.rows, told.columns), kind: "asked", centroid: known.region?.centroid_lps }] : [];
      this.put(volume, known?.region?.centroid_lps || volume.grid.toLps(volume.grid.middle()), known?.body_part_examined);
      performance.mark("first-picture");
    } catch {
      this.isPoster = false;
    }
  }

  came(volume) {
    const total = volume.grid.shape[0];
    if (this.real !== this.series || this.scene.volume !== volume) {
      const place = this.begin(volume);
      const window = this.isPoster && this.scene.window ? carried(this.scene.window, this.scene.volume, volume) : null;
      this.real = this.series;
      this.wantsPlace = null;
      this.isPoster = false;
      this.scene.regions = [];
      this.frame.classList.remove("poster");
      this.put(volume, place, this.known?.body_part_examined, window);
      performance.mark("first-slice");
      this.toolbar.offerVolumes(volume.told);
      this.does.opened?.(volume);
    }
    this.progress.value = volume.loaded / total;
    this.progress.hidden = volume.isWhole;
    this.state.textContent = volume.isWhole ? (volume.told.notes || []).join("; ") : loadedPart(volume.loaded, total);
    if (volume.isWhole) {
      performance.mark("volume-whole");
      this.does.whole?.();
    }
    this.root.dataset.loaded = volume.isWhole ? "whole" : "part";
    this.scene.changed("voxels");
  }

  put(volume, place, bodyPart, window = null) {
    const chosen = window || firstWindow(volume.unit, volume.range, bodyPart);
    this.choices = presets(volume.unit, volume.range);
    this.toolbar.offerWindows(this.choices);
    this.scene.open(volume, chosen, volume.grid.toIndex(place));
  }

  /** Forget what is shown, so that another volume of the series may come in its place. */
  forget() {
    this.real = "";
  }

  /** The same, and the next volume begins where this one is looked at. */
  keepPlace() {
    this.wantsPlace = this.scene.volume?.grid.toLps(this.scene.cursor);
    this.forget();
  }

  followed(what) {
    this.toolbar.press(this.scene);
    if (what === "window" && this.choices) {
      this.toolbar.chooseWindow(this.scene.window);
      this.does.windowed?.();
    }
    if (what === "cursor") {
      this.probe(null);
      if (this.isLinked && this.other) this.other.link?.forward();
    }
  }

  /** The value under the hand, or under the crosshair. */
  probe(index) {
    const { volume, cursor } = this.scene;
    if (!volume) return;
    const at = index || cursor;
    const inside = at.every((value, axis) => value > -0.5 && value < volume.grid.shape[axis] - 0.5);
    const value = inside ? volume.valueAt(at) : undefined;
    this.value.textContent = value === undefined ? "" : `${Math.abs(value) < 100 && volume.scale.slope !== 1 ? value.toFixed(2) : Math.round(value)} ${KEYS.units[volume.unit] || ""}`;
  }

  // --- acts --------------------------------------------------------------------------------------------------

  setTool(tool) {
    this.scene.tool = tool;
    this.frame.dataset.tool = tool;
    this.scene.changed();
  }

  toggle(name) {
    this.scene[name] = !this.scene[name];
    if (this.other && name !== "isNegative") {
      this.other.scene[name] = this.scene[name];
      this.other.scene.changed();
    }
    this.scene.changed();
  }

  setWindow(at) {
    if (this.choices?.[at]) this.scene.setWindow(this.choices[at]);
  }

  nextWindow(step) {
    const at = this.choices.findIndex((one) => one.name === this.scene.window.name);
    this.setWindow((at + step + this.choices.length) % this.choices.length);
  }

  fit() {
    this.views.forEach((view) => view.fit());
    this.other?.views.forEach((view) => view.fit());
  }

  zoom(factor) {
    if (!this.scene.volume) return;
    [...this.views, ...(this.other?.scene.volume ? this.other.views : [])].forEach((view) => view.zoomBy(factor));
  }

  /** Bring the region that is asked about into the middle, the other one too where one is beside. */
  centre() {
    if (!this.scene.volume) return;
    const asked = this.scene.regions.find((one) => one.kind === "asked");
    const place = asked?.centroid || this.scene.volume.grid.toLps(this.scene.cursor);
    this.scene.goTo(place);
    const field = Math.max(asked?.around || 0, this.other?.around || 0) || 120;
    this.views.forEach((view) => view.zoomTo(place, field));
    if (this.other?.scene.volume) this.other.centre(field);
  }

  goTo(lps) {
    if (this.scene.volume) this.scene.goTo(lps);
  }

  setLinked(isLinked) {
    this.isLinked = isLinked;
    this.linkButton?.setAttribute("aria-pressed", String(isLinked));
    if (isLinked) this.other?.link?.forward();
  }

  // --- beside ------------------------------------------------------------------------------------------------

  /** Open `found`, an answer, beside the question; `match` is the pair of frames to begin with, or null. */
  async compare(found, load, match = null) {
    this.leave();
    const other = new Beside(found, this, match);
    this.other = other;
    this.linkButton = element("button", { type: "button", "aria-pressed": String(this.isLinked), "data-act": "link", title: KEYS.link.title, onclick: () => this.setLinked(!this.isLinked) }, KEYS.link.text);
    show(
      this.beside,
      element("div", { class: "beside-head" },
        element("h2", { tabindex: "-1" }, comparedWith(found)),
        this.linkButton,
        element("button", { type: "button", "data-act": "close", onclick: () => this.leave(true) }, WORDS.close)),
      other.state,
      other.views[0].root,
    );
    this.beside.hidden = false;
    this.frame.classList.add("compared");
    this.beside.querySelector("h2").focus({ preventScroll: false });
    await other.open(load);
  }

  leave(byHand = false) {
    if (!this.other) return;
    const { found } = this.other;
    this.other.close();
    this.other = null;
    this.beside.hidden = true;
    delete this.frame.dataset.compared;
    show(this.beside);
    this.frame.classList.remove("compared");
    this.scene.changed();
    if (byHand) this.does.left(found);
  }
}
