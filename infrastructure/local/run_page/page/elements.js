"use strict";
// Elements, and numbers as people read them. Text is set as text, never as markup.

function el(name, attributes, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const grouped = new Intl.NumberFormat("en");
const count = (number) => grouped.format(number);
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// A decimal as text, its whole part in groups of three. Never a float: amounts are exact.
function amount(text) {
  const [whole, decimals] = String(text).split(".");
  const shown = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return decimals ? `${shown}.${decimals}` : shown;
}

// The exact sum of decimals as text, which have four decimals at most; without needless zeros beyond the second.
function exactSum(texts) {
  const scaled = texts.reduce((sum, text) => {
    const [whole, decimals = ""] = String(text).split(".");
    return sum + BigInt(whole + decimals.padEnd(4, "0"));
  }, 0n);
  const digits = String(scaled).padStart(5, "0");
  const decimals = digits.slice(-4).replace(/0{1,2}$/, "");
  return decimals === "00" ? digits.slice(0, -4) : `${digits.slice(0, -4)}.${decimals}`;
}

function percent(part, whole) {
  if (!whole) return "0 %";
  const share = (100 * part) / whole;
  return `${share > 0 && share < 0.1 ? "<0.1" : share.toFixed(share < 10 ? 1 : 0)} %`;
}

const milliseconds = (value) =>
  value === null || value === undefined ? "–" : value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(value < 10000 ? 1 : 0)} s`;

function seconds(value) {
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

// A time in UTC as "26 Nov 2026, 07:06:16 UTC".
function moment(text) {
  const iso = String(text).replace(" ", "T");
  const time = new Date(/Z$|[+-]\d\d:?\d\d$/.test(iso) ? iso : `${iso}Z`);
  if (Number.isNaN(time.getTime())) return String(text);
  const day = time.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  return `${day}, ${time.toISOString().slice(11, 19)} UTC`;
}

// "CARD_PURCHASE" as "Card purchase".
function words(name) {
  const text = String(name).toLowerCase().replaceAll("_", " ");
  return (text.charAt(0).toUpperCase() + text.slice(1)).replace(/\bjson\b/i, "JSON");
}

// columns: [title, isNumber]; rows: of cells, which are text or elements; the first is the row's heading.
function table(caption, columns, rows) {
  return el("table", {},
    el("caption.hidden", {}, caption),
    el("thead", {}, el("tr", {}, columns.map(([title, isNumber]) => el(isNumber ? "th.n" : "th", { scope: "col" }, title)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, place) =>
      place === 0 ? el("th", { scope: "row" }, cell) : el(columns[place][1] ? "td.n" : "td", {}, cell))))));
}

function scrolling(label, content) {
  return el("div.scroll", { role: "group", tabindex: "0", "aria-label": label }, content);
}

function numbers(content, label) {
  return el("details", {}, el("summary", {}, `The figures of ${label}`), scrolling(`The figures of ${label}`, content));
}

// parts: [share of the whole, color], side by side.
function bar(...parts) {
  return el("span.bar", { "aria-hidden": "true" }, parts.map(([share, color]) => {
    const part = el(`i.${color}`);
    part.style.width = `${Math.max(share > 0 ? 0.8 : 0, 100 * share)}%`;
    return part;
  }));
}

function section(id, title, lead, ...content) {
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), lead ? el("p.lead", {}, lead) : null, ...content);
}
