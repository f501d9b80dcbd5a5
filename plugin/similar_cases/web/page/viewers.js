// The viewers that this Orthanc has, and how each opens a series.

const query = (parameters) => new URLSearchParams(parameters);

const KNOWN = {
  ohif: { name: "OHIF", path: (found) => `ohif/viewer?${query({ StudyInstanceUIDs: found.study, SeriesInstanceUIDs: found.series })}` },
  "stone-webviewer": { name: "Stone", path: (found) => `stone-webviewer/index.html?${query({ study: found.study, series: found.series })}` },
};

export const viewersOf = (installed, orthanc) =>
  Object.entries(KNOWN)
    .filter(([plugin]) => installed.includes(plugin))
    .map(([, { name, path }]) => ({ name, address: (found) => orthanc + path(found) }));
