// The worker's answers. Addresses are relative to the page, so that any prefix works.

/** A refusal of the worker, or its absence (`status` 0 or 503). */
export class WorkerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store", ...options });
  } catch {
    throw new WorkerError("", 0);
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new WorkerError(body.error || answer.statusText, answer.status);
  return body;
}

const seriesPath = (series) => `series/${encodeURIComponent(series)}`;

export const status = () => asked("status");
export const listSeries = (parameters) => asked(`series?${new URLSearchParams(parameters)}`);
export const oneSeries = (series) => asked(seriesPath(series));
export const similar = (study, series, parameters) =>
  asked(
    `studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}/similar?${new URLSearchParams(parameters)}`,
  );

const act = (path) =>
  asked(path, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: "{}",
  });

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
