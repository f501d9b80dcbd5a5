// The answer beside the question: its own series at the same window and scale, scrolled along by anatomy.

import { pictureOf } from "./client.js";
import { afterDrawing, element } from "./dom.js";
import { carried, presets } from "./grey.js";
import { linkOf } from "./link.js";
import { Scene } from "./scene.js";
import { WORDS, comparedWith, loadedPart } from "./strings.js";
import { View } from "./view.js";
import { load, volumeOfPicture } from "./volume.js";

export class Beside {
  constructor(found, stage, match) {
    Object.assign(this, { found, stage, match, scene: new Scene(), link: null, around: 0 });
    this.scene.tool = "pan";
    this.scene.showsCrosshair = stage.scene.showsCrosshair;
    this.scene.showsRegions = stage.scene.showsRegions;
    const keys = { toggle: (name) => stage.toggle(name), link: () => stage.setLinked(!stage.isLinked), centre: () => stage.centre(), window: (step) => stage.nextWindow(step), preset: (number) => stage.setWindow(number - 1) };
    this.views = [new View(this.scene, 0, comparedWith(found), keys)];
    this.state = element("p", { class: "quiet beside-state", role: "status" }, WORDS.loadingImages);
    this.loading = new AbortController();
    this.unhear = stage.scene.listen((what) => what === "window" && this.sameWindow());
  }

  async open(regionOf) {
    const { found, scene } = this;
    const begin = (volume) => this.matched(volume) || found.region?.centroid_lps || volume.grid.toLps(volume.grid.middle());
    const region = found.region ? regionOf(found).catch(() => null) : null;
    try {
      const told = await pictureOf(found.case).catch(() => null);
      if (told && !scene.volume && !this.match) this.put(volumeOfPicture(told), begin);
      await load({
        study: found.study, series: found.series, number: found.volume_number, signal: this.loading.signal,
        opened: (volume) => volume.grid.toIndex(begin(volume))[0],
        came: async (volume) => {
          if (scene.volume !== volume) {
            this.put(volume, begin);
            this.anchor(volume);
            this.link = linkOf(this.stage, this);
          }
          this.state.textContent = volume.isWhole ? "" : loadedPart(volume.loaded, volume.grid.shape[0]);
          scene.changed("voxels");
        },
      });
      const outlined = await region;
      if (outlined && scene.volume) {
        scene.regions = [{ ...outlined, kind: "answer" }];
        this.around = outlined.around;
        this.link = linkOf(this.stage, this);
        scene.changed();
        this.stage.centre();
      }
      afterDrawing(() => {
        if (this.stage.other === this) this.stage.frame.dataset.compared = found.case;
      });
    } catch (error) {
      if (!this.loading.signal.aborted) this.state.textContent = error.message || WORDS.workerAway;
    }
  }

  /** The place of the frame that matches; null without a match, or before frames are known. */
  matched(volume) {
    const k = this.match ? volume.sliceOf(this.match.found) : -1;
    const [, j, i] = volume.grid.middle();
    return k < 0 ? null : volume.grid.toLps([k, j, i]);
  }

  /** Show both matching slices, and scroll on from there. */
  anchor(volume) {
    const asked = this.stage.scene;
    const [here, there] = this.match ? [asked.volume?.sliceOf(this.match.asked) ?? -1, volume.sliceOf(this.match.found)] : [-1, -1];
    if (here < 0 || there < 0 || asked.volume.planes[0].name !== volume.planes[0].name) return;
    asked.anchor = here;
    this.scene.anchor = there;
    asked.step(0, here - Math.round(asked.cursor[0]));
  }

  put(volume, begin) {
    const asked = this.stage.scene;
    const window = asked.volume ? carried(asked.window, asked.volume, volume) : presets(volume.unit, volume.range)[0];
    this.scene.open(volume, window, volume.grid.toIndex(begin(volume)));
  }

  sameWindow() {
    const asked = this.stage.scene;
    if (this.scene.volume && asked.volume) this.scene.setWindow(carried(asked.window, asked.volume, this.scene.volume));
  }

  centre(field) {
    const place = this.scene.regions[0]?.centroid || this.found.region?.centroid_lps;
    if (!place) return;
    if (!this.stage.isLinked) this.scene.goTo(place);
    this.views.forEach((view) => view.zoomTo(place, field));
  }

  close() {
    this.stage.scene.anchor = null;
    this.loading.abort();
    this.unhear();
    this.link?.close();
    this.views.forEach((view) => view.close());
  }
}
