"use strict";
// Charts by Observable Plot. Each is a picture for the eye; the same figures follow as a table.

const COLORS = { main: "var(--main)", light: "var(--main-light)", debit: "var(--debit)", axis: "var(--line)" };

function chart(label, width, options) {
  const svg = Plot.plot({
    width,
    className: "plot",
    marginTop: 16,
    marginRight: 8,
    ...options,
  });
  // Plot's own style element would need a hole in the Content-Security-Policy; style.css has what it says.
  svg.querySelectorAll("style").forEach((style) => style.remove());
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  for (const inner of svg.querySelectorAll("[aria-label], [aria-description]")) {
    inner.removeAttribute("aria-label");
    inner.removeAttribute("aria-description");
  }
  return svg;
}

// Draws anew at each width, so that text keeps its size.
function figure(draw, ...rest) {
  const holder = el("div");
  const found = el("figure", {}, holder, ...rest);
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.floor(holder.clientWidth);
    if (width && width !== drawn) {
      drawn = width;
      holder.replaceChildren(draw(width));
    }
  }).observe(holder);
  found.redraw = () => { if (drawn) holder.replaceChildren(draw(drawn)); };
  return found;
}

function legend(...entries) {
  return el("ul.legend", { "aria-hidden": "true" }, entries.map(([color, text]) => el("li", {}, el(`i.${color}`), text)));
}

const yAxis = { label: null, grid: false, ticks: 4, tickSize: 0, line: false };
const short = d3.format("~s");
const atSecond = (value) => `${value} s`;

function rules() {
  return Plot.gridY({ stroke: COLORS.axis, strokeOpacity: 1, ticks: 4 });
}

// A stage's course as records per second over short spans. course: [[seconds, records so far]].
function speeds(stage) {
  const points = [];
  let [from, done] = [stage.began, 0];
  for (const [at, records] of stage.course) {
    if (at - from < 0.4) continue;
    points.push({ at: (at + from) / 2, rate: (records - done) / (at - from) });
    [from, done] = [at, records];
  }
  return points;
}

// Both charts of the landing have the same axis, so that the eye can go from one to the other.
function landingAxis(d, width) {
  const stages = d.stages.filter((stage) => stage.name === "produce" || stage.name === "land");
  const domain = [d3.min(stages, (stage) => stage.began), d3.max([...stages.map((stage) => stage.began + stage.seconds), ...d.landing.map((span) => span.ended)])];
  return { label: null, tickFormat: atSecond, ticks: Math.min(6, width / 70), tickSize: 0, domain };
}

function throughputChart(d, width) {
  const produced = speeds(d.stages.find((stage) => stage.name === "produce") || { course: [] });
  return chart("Records per second, produced and landed, over the seconds of the run", width, {
    height: 230,
    marginLeft: 52,
    x: landingAxis(d, width),
    y: { ...yAxis, tickFormat: short, zero: true, nice: true },
    marks: [
      rules(),
      Plot.rectY(d.landing, { x1: "began", x2: "ended", y: "records_per_second", fill: COLORS.main, fillOpacity: 0.8, insetLeft: 1, insetRight: 1, rx: 2 }),
      Plot.lineY(produced, { x: "at", y: "rate", stroke: COLORS.debit, strokeWidth: 2, curve: "step" }),
      Plot.ruleY([0], { stroke: "var(--soft)" }),
    ],
  });
}

function latencyChart(d, width) {
  const middle = (span) => (span.began + span.ended) / 2;
  return chart("Landing latency in milliseconds, median and 95th percentile, over the seconds of the run", width, {
    height: 230,
    marginLeft: 52,
    x: landingAxis(d, width),
    y: { ...yAxis, tickFormat: milliseconds, zero: true, nice: true },
    marks: [
      rules(),
      Plot.ruleX(d.landing, { x: middle, y1: "p50", y2: "p95", stroke: COLORS.light, strokeWidth: 7, strokeLinecap: "round" }),
      Plot.dot(d.landing, { x: middle, y: "p50", r: 4.5, fill: COLORS.main, stroke: "var(--surface)", strokeWidth: 1.5 }),
      Plot.ruleY([0], { stroke: "var(--soft)" }),
    ],
  });
}

function stagesChart(stages, width) {
  const end = Math.max(...stages.map((stage) => stage.began + stage.seconds));
  return chart("When each stage began and ended, in seconds since the run's start", width, {
    height: 34 * stages.length + 34,
    marginLeft: 78,
    marginRight: 56,
    marginTop: 4,
    x: { label: null, tickFormat: atSecond, ticks: Math.min(8, width / 80), tickSize: 0, domain: [0, end] },
    y: { label: null, tickSize: 0, domain: stages.map((stage) => stage.name), padding: 0.42 },
    marks: [
      Plot.gridX({ stroke: COLORS.axis, strokeOpacity: 1, ticks: Math.min(8, width / 80) }),
      Plot.barX(stages, { x1: "began", x2: (stage) => stage.began + stage.seconds, y: "name", fill: COLORS.main, rx: 3, insetRight: -1 }),
      Plot.text(stages, { x: (stage) => stage.began + stage.seconds, y: "name", text: (stage) => seconds(stage.seconds), textAnchor: "start", dx: 8, fill: "var(--ink)" }),
    ],
  });
}

// rows: {group, credit_debit_indicator, amount, records}; credits above the line, debits below it.
function hoursChart(rows, currency, width) {
  const signed = rows.map((row) => ({ ...row, hour: Number(row.group), value: Number(row.amount) * (row.credit_debit_indicator === "CRDT" ? 1 : -1) }));
  return chart(`Booked ${currency} by hour of the day, credits above the line and debits below it`, width, {
    height: 250,
    marginLeft: 44,
    x: { label: null, type: "band", domain: d3.range(24), tickFormat: (hour) => (hour % (width < 420 ? 6 : 3) === 0 ? String(hour).padStart(2, "0") : ""), tickSize: 0, padding: 0.22 },
    y: { ...yAxis, tickFormat: (value) => short(Math.abs(value)), nice: true },
    marks: [
      rules(),
      Plot.barY(signed, { x: "hour", y: "value", fill: (row) => (row.credit_debit_indicator === "CRDT" ? COLORS.main : COLORS.debit), rx: 2 }),
      Plot.ruleY([0], { stroke: "var(--soft)" }),
    ],
  });
}

function typesChart(rows, currency, width) {
  const totals = d3.rollups(rows, (of) => d3.sum(of, (row) => Number(row.amount)), (row) => row.group).sort((a, b) => b[1] - a[1]);
  return chart(`Booked ${currency} by type of transaction, credits and debits`, width, {
    height: 27 * totals.length + 34,
    marginLeft: 104,
    marginTop: 4,
    x: { label: null, tickFormat: short, ticks: 4, tickSize: 0 },
    y: { label: null, tickSize: 0, domain: totals.map(([type]) => type), tickFormat: words, padding: 0.36 },
    marks: [
      Plot.gridX({ stroke: COLORS.axis, strokeOpacity: 1, ticks: 4 }),
      Plot.barX(rows, { x: (row) => Number(row.amount), y: "group", fill: (row) => (row.credit_debit_indicator === "CRDT" ? COLORS.main : COLORS.debit), order: "credit_debit_indicator" }),
    ],
  });
}
