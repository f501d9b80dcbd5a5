// Two series scrolled as one: the same place in both regions; or, without regions, the same part of both series; or so
// far from two slices that match.

/** Link the cursor of a stage's scene and that of the answer beside it; both ways, while the stage is linked. */
export function linkOf(stage, beside) {
  beside.link?.close();
  const [asked, answer] = [stage.scene, beside.scene];
  if (!asked.volume || !answer.volume) return null;
  let busy = false;
  const follow = (from, to) => () => {
    if (busy || !stage.isLinked || !from.volume || !to.volume) return;
    busy = true;
    to.setCursor(matching(from, to));
    busy = false;
  };
  const stop = answer.listen((what) => what === "cursor" && follow(answer, asked)());
  return { forward: follow(asked, answer), close: stop };
}

/** The index in `to` that lies as the cursor lies in `from`: along each of the patient's axes by the planes' names. */
function matching(from, to) {
  const index = [...to.cursor];
  for (const plane of from.volume.planes) {
    const other = to.volume.planes.find((one) => one.name === plane.name);
    const [here, there] = [spanOf(from, plane), spanOf(to, other)];
    // both in mm along the plane's own direction, growing towards left, posterior, superior
    const away = here.sign * (from.cursor[plane.axis] - here.middle) * here.step;
    const half = (here.half ? Math.min(Math.abs(away) / here.half, 1) : 1) * there.half + Math.max(Math.abs(away) - here.half, 0);
    const moved = there.middle + (there.sign * Math.sign(away) * half) / there.step;
    index[other.axis] = other.axis === 0 ? Math.round(moved) : moved;
  }
  return index;
}

/** Middle (index) and half length (mm) of the region, or of the whole series, along a plane's axis. */
function spanOf(scene, plane) {
  const { grid } = scene.volume;
  const { axis } = plane;
  const step = grid.spacing[axis];
  const column = grid.affine.slice(0, 3).map((row) => row[axis]);
  const largest = column.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  const sign = largest < 0 ? -1 : 1;
  if (scene.anchor !== null && axis === 0) return { middle: scene.anchor, half: 0, step, sign };
  const mask = scene.regions.find((one) => one.kind !== "known")?.mask;
  if (!mask) {
    const last = grid.shape[axis] - 1;
    return { middle: last / 2, half: Math.max((last / 2) * step, step / 2), step, sign };
  }
  const last = mask.size[axis] - 1;
  return { middle: mask.lower[axis] + last / 2, half: Math.max(((last + 1) / 2) * step, step / 2), step, sign };
}
