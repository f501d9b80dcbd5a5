// The viewers that answers open in: what this Orthanc has, and what the site names; and how each opens a series.

const query = (parameters) => new URLSearchParams(parameters);

const KNOWN = {
  ohif: { name: "OHIF", path: (found) => `ohif/viewer?${query({ StudyInstanceUIDs: found.study, SeriesInstanceUIDs: found.series })}` },
  "stone-webviewer": { name: "Stone", path: (found) => `stone-webviewer/index.html?${query({ study: found.study, series: found.series })}` },
};
const ADDRESS = /^(\/(?!\/)|https?:\/\/|weasis:\/\/)/;

/** `named` are addresses by name, with {study} and {series}; one of a known name takes the place of Orthanc's. */
export function viewersOf(installed, orthanc, named = {}) {
  const own = Object.entries(named)
    .filter(([, address]) => ADDRESS.test(address))
    .map(([name, address]) => ({ name, address: (found) => filled(address, found) }));
  const plugins = Object.entries(KNOWN)
    .filter(([plugin, { name }]) => installed.includes(plugin) && !own.some((one) => one.name === name))
    .map(([, { name, path }]) => ({ name, address: (found) => orthanc + path(found) }));
  return [...own, ...plugins];
}

const filled = (address, { study, series }) => address.replaceAll("{study}", encodeURIComponent(study)).replaceAll("{series}", encodeURIComponent(series));
