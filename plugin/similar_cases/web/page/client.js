// The worker's answers. Addresses are relative to the page, so that any prefix works.

/** A refusal of the worker, or its absence (`status` 0 or 503). */
export class WorkerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function asked(path, options) {
  const answer = await answered(path, { cache: "no-store", ...options });
  return answer.status === 204 ? null : answer.json().catch(() => ({}));
}

async function answered(path, options) {
  let answer;
  try {
    answer = await fetch(path, { headers: { Accept: "application/json" }, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new WorkerError("", 0);
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw new WorkerError(body.detail || "", answer.status);
}

/** The same, asked again where the worker is busy or away for a moment (503, 504). */
async function patiently(path, options, tries = 4) {
  for (let left = tries; ; left -= 1) {
    try {
      return await answered(path, options);
    } catch (error) {
      if (left <= 1 || ![0, 503, 504].includes(error.status)) throw error;
      await new Promise((done) => window.setTimeout(done, 1500));
    }
  }
}

const seriesPath = (series) => `archive/series/${encodeURIComponent(series)}`;

export const status = () => asked("status");
export const listSeries = (parameters) => asked(`archive/series?${new URLSearchParams(parameters)}`);
export const oneSeries = (series) => asked(seriesPath(series));
export const caseOf = (uid) => asked(`cases/${encodeURIComponent(uid)}`);

// what never changes under its address may stay in the browser; it asks each time whether it is still so
const volumePath = (study, series, number) =>
  `studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}/volumes/${number}`;
export const volumeOf = async (study, series, number, signal) =>
  (await patiently(volumePath(study, series, number), { signal })).json();
export const slices = async (study, series, number, first, last, signal) => {
  const path = `${volumePath(study, series, number)}/slices?first=${first}&last=${last}`;
  const answer = await patiently(path, { signal, headers: { Accept: "application/octet-stream" } });
  return new Int16Array(await answer.arrayBuffer());
};
const pictures = new Map();
/** The last pictures are kept: filters bring the same cases again and again. */
export function pictureOf(uid, side = 0, frame = null) {
  const asked = new URLSearchParams({ ...(side ? { "side-mm": side } : {}), ...(frame || {}) });
  const path = `cases/${encodeURIComponent(uid)}/picture${String(asked) && `?${asked}`}`;
  if (!pictures.has(path)) {
    const came = patiently(path).then((answer) => answer.json());
    pictures.set(path, came);
    came.catch(() => pictures.delete(path));
    if (pictures.size > 120) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(path);
}
/** One slice of any series that the archive has. */
export const middleOf = async (study, series) =>
  (await answered(`studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}/picture`)).json();
export const regionOf = (study, series, trackingUid) =>
  asked(
    `studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}/regions/${encodeURIComponent(trackingUid)}`,
  );

const act = (path, body = {}, signal = undefined) =>
  asked(path, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });

export const similar = (question, signal) => act("similar", question, signal);
export const segment = (question, signal) => act("region", question, signal);
export const tellFeedback = (word) => act("feedback", word);
export const feedbackOn = (series) => asked(`feedback?series=${encodeURIComponent(series)}`);
/** What is installed in Orthanc; an empty list where that may not be asked. */
export const plugins = (orthanc) => asked(`${orthanc}plugins`).catch(() => []);

export const retry = (series) => act(`${seriesPath(series)}/retry`);
export const hurry = (series) => act(`${seriesPath(series)}/hurry`);

/** Call `task` again and again, `pause` ms after it ended, until it returns false; hidden pages rest. */
export function repeat(task, pause) {
  const round = async () => {
    const goesOn = document.hidden ? true : await task();
    if (goesOn !== false) window.setTimeout(round, pause);
  };
  round();
}
