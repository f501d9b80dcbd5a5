// The page inside a viewer of the same origin: what the viewer asks, and what the reader chose (docs/viewers.md).

const UID = /^[0-9.]{1,64}$/;
const isPoint = (point) => Array.isArray(point) && point.length === 3 && point.every(Number.isFinite);

/** Listen to the viewer; `find({study, series, points})` is called with what it asks. Return how to tell it. */
export function viewerOf(find) {
  const origin = window.location.origin;
  window.addEventListener("message", ({ origin: from, source, data }) => {
    if (from !== origin || source !== window.parent || data?.type !== "similar-cases/find") return;
    const { study, series, points } = data;
    if (!UID.test(study) || !UID.test(series) || !Array.isArray(points) || points.length > 4096 || !points.every(isPoint)) return;
    find({ study, series, points });
  });
  const tell = (type, fields = {}) => window.parent.postMessage({ type: `similar-cases/${type}`, ...fields }, origin);
  return {
    ready: () => tell("ready"),
    open: (found) =>
      tell("open", {
        study: found.study,
        series: found.series,
        sop_instance_uid: found.key_frame?.instance,
        frame: found.key_frame?.frame,
      }),
  };
}

/** A measurement as a point in its middle and, of two points or more, a box round it; null of none. */
export function promptsOf(points) {
  if (!points.length) return null;
  const middle = [0, 1, 2].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  let longest = 0;
  for (const one of points) for (const other of points) longest = Math.max(longest, Math.hypot(...one.map((value, axis) => value - other[axis])));
  const corner = (side) => middle.map((value) => value + (side * longest) / 2);
  return { points: [{ lps: middle, positive: true }], box: longest ? { lower_lps: corner(-1), upper_lps: corner(1) } : null };
}
