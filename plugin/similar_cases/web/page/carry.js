// Tables that leave the page: as a file, or by the clipboard.

/** Rows of values as CSV (RFC 4180); a text that a spreadsheet would take for a formula is kept a text. */
export function csvOf(rows) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** Put rows on the clipboard, as a spreadsheet takes them; false where the browser does not allow it. */
export async function copy(rows) {
  const text = rows.map((row) => row.map((value) => String(value ?? "").replaceAll(/[\t\r\n]+/g, " ")).join("\t")).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
