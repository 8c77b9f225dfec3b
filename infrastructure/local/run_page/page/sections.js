"use strict";
// The sections of the page, in their order. Each takes the document and gives an element, or null if it has nothing to tell.

function heading(d) {
  const produced = held(d, "produced");
  const quarantined = held(d, "quarantined");
  const keys = [
    [count(held(d, "ledger")), "final entries, curated and loaded"],
    [count(held(d, "pending")), "pending items, still to be settled"],
    [count(held(d, "duplicate")), "duplicates, dropped"],
    [count(quarantined), `in quarantine, ${percent(quarantined, produced)} of all`],
    [milliseconds(d.latency.p95), "to land, for 95 of 100 records"],
  ];
  return el("header.top", {},
    el("p.eyebrow", {}, `Real-Time Banking Data Platform · run ${d.run_ids.at(-1) || "without new data"}`),
    el("h1", {}, d.balanced ? `Every one of ${count(produced)} records is accounted for.` : "Not every record is accounted for."),
    el("p.meta", {},
      el(d.balanced ? "span.pill.good" : "span.pill.bad", {}, d.balanced ? "✓ Balanced to the cent" : "✗ Not balanced"),
      el("span", {}, moment(d.started_at)), el("span", {}, `took ${seconds(d.seconds)}`), el("span", {}, d.source)),
    d.findings.length ? el("ul", {}, d.findings.map((finding) => el("li", {}, finding))) : null,
    el("ul.keys", {}, keys.map(([number, told]) => el("li", {}, el("strong", {}, number), el("span", {}, told)))));
}

const held = (d, hop) => d.hops.find((each) => each.hop === hop)?.records ?? 0;
const added = (d, hop) => d.hops.find((each) => each.hop === hop)?.new ?? 0;

function flowSection(d) {
  const lost = held(d, "quarantined") + held(d, "duplicate") + held(d, "erased");
  return section("flow", `${count(held(d, "produced"))} records went in, ${count(held(d, "loaded"))} are in the warehouse, ${count(lost)} have another end that is known`,
    "Counted at each place by what it holds, not by what it was told. Nothing vanishes on the way.", flow(d));
}

function timeSection(d) {
  if (!d.landing.length) return null;
  const landed = d.stages.find((stage) => stage.name === "land");
  const rows = d.landing.map((span) => [`${span.began.toFixed(1)} to ${span.ended.toFixed(1)} s`, count(span.records), count(Math.round(span.records_per_second)), milliseconds(span.p50), milliseconds(span.p95)]);
  const figures = numbers(table("The landing over time", [["from"], ["records", true], ["records/s", true], ["p50", true], ["p95", true]], rows), "the landing over time");
  return section("time", `It landed ${count(Math.round(landed.records / Math.max(landed.seconds, 0.001)))} records a second, half of them within ${milliseconds(d.latency.p50)}`,
    "Latency is from the arrival in the stream to the object in S3, waiting for the batch included. Seconds are since the run's start.",
    el("div.pair", {},
      el("div.card", {}, el("h3", {}, "Records per second"), legend(["main", "landed"], ["debit", "produced"]), figure((width) => throughputChart(d, width))),
      el("div.card", {}, el("h3", {}, "Landing latency"), legend(["main", "half of the records"], ["light", "up to 95 of 100"]), figure((width) => latencyChart(d, width)))),
    figures);
}

function stagesSection(d) {
  const longest = d.stages.reduce((a, b) => (b.seconds > a.seconds ? b : a));
  const rows = d.stages.map((stage) => [stage.name, `${stage.seconds.toFixed(1)}`, count(stage.records), count(Math.round(stage.records / Math.max(stage.seconds, 0.001)))]);
  return section("stages", `${words(longest.name)} took ${seconds(longest.seconds)} of the ${seconds(d.seconds)}`,
    "Produce and land go on at the same time, as they do in an account.",
    el("div.card", {}, figure((width) => stagesChart(d.stages, width)),
      numbers(table("The stages", [["stage"], ["seconds", true], ["records", true], ["records/s", true]], rows), "the stages")));
}

function beside(d) {
  if (!d.earlier_runs) return null;
  const shown = d.hops.filter((hop) => hop.records || hop.new);
  const most = Math.max(held(d, "produced"), 1);
  return section("beside", `This run put in ${count(added(d, "produced"))} of the ${count(held(d, "produced"))} records that are held`,
    `The workdir holds ${plural(d.earlier_runs, "earlier run")} besides. What came again with the same content is a duplicate, whichever run brought it.`,
    el("div.card", {}, legend(["main", "this run"], ["light", "earlier runs"]), scrolling("This run beside all that is held", table("This run beside all that is held",
      [["hop"], ["this run", true], ["all held", true], ["share of what was produced"]],
      shown.map((hop) => [words(hop.hop), count(hop.new), count(hop.records), wide(bar([hop.new / most, "main"], [Math.max(0, hop.records - hop.new) / most, "light"]))])))));
}

function wide(element) {
  element.style.minWidth = "120px";
  element.style.marginTop = "7px";
  return element;
}

function totalsSection(d) {
  const hops = d.hops.map((hop) => hop.hop);
  const cell = ([records, text]) => [count(records), el("small", {}, amount(text))];
  const rows = d.totals.map((line) => el("tr", {},
    el("th", { scope: "row" }, line.currency ? `${line.currency} ${line.credit_debit_indicator}` : "unreadable"),
    hops.map((hop) => (line.held[hop] ? el("td.n", {}, cell(line.held[hop])) : el("td.n.none", {}, "–")))));
  const sums = el("tr.sum", {}, el("th", { scope: "row" }, "all records"), d.hops.map((hop) => el("td.n", {}, count(hop.records))));
  const currencies = new Set(d.totals.map((line) => line.currency).filter(Boolean)).size;
  return section("totals", d.balanced ? `Records and amounts agree at every hop, in ${plural(currencies, "currency", "currencies")}` : "Records or amounts differ between hops",
    "Control totals: the number of records, and below it the sum of their unsigned amounts. Amounts of different currencies are never added.",
    el("div.card.totals", {}, scrolling("Control totals", el("table", {},
      el("caption.hidden", {}, "Control totals by currency and indicator at every hop"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "currency"), hops.map((hop) => el("th.n", { scope: "col" }, hop)))),
      el("tbody", {}, rows, sums)))));
}

function quarantineSection(d) {
  if (!d.refusals.length) return null;
  const all = d.refusals.reduce((sum, refusal) => sum + refusal.records, 0);
  const most = d.refusals[0].records;
  return section("quarantine", `${plural(all, "record")} broke the contract in ${plural(d.refusals.length, "way")}`,
    "Each is kept with its reason. Accounts and texts are masked here; card numbers are masked wherever they are kept.",
    el("ul.reasons", {}, d.refusals.map((refusal) => el("li.card", {},
      el("h3", {}, words(refusal.reason)), el("div.count", {}, count(refusal.records)), bar([refusal.records / most, "amber"]),
      el("div.told", {}, el("p", {}, capital(refusal.meaning), "."), el("p.todo", {}, refusal.todo)),
      refusal.samples.length ? el("details", {}, el("summary", {}, `${plural(refusal.samples.length, "sample")}, masked`), refusal.samples.map(sample)) : null))));
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function sample(found) {
  const where = [found.stage === "landing" ? "refused by the landing function" : "refused by the job",
    found.transaction_id ? `transaction ${found.transaction_id}` : "no readable id", `at ${found.position}`];
  return el("div", {}, el("p.where", {}, where.join(" · ")), el("pre.record", { tabindex: "0" }, marked(onLines(found.payload), found.fault)));
}

// A field a line, without another change to the text, which need not be JSON.
const onLines = (text) => text.replace(/,(?="[a-z_]+"\s*:)/g, ",\n");

// The text with the field at fault marked, if it is there.
function marked(text, fault) {
  if (!fault) return [text];
  const found = new RegExp(`"${fault}"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*"|[^,}\\]]*)`).exec(text);
  if (!found) return [el("mark", {}, `${fault} is missing`), "\n", text];
  return [text.slice(0, found.index), el("mark", {}, found[0]), text.slice(found.index + found[0].length)];
}

function amountsSection(d) {
  const currencies = d3.rollups(d.by_type, (rows) => d3.sum(rows, (row) => row.records), (row) => row.currency).sort((a, b) => b[1] - a[1]);
  if (!currencies.length) return null;
  const chosen = { currency: currencies[0][0], onlyNew: false };
  const rows = (all) => merged(all.filter((row) => row.currency === chosen.currency && (row.is_new || !chosen.onlyNew)));
  const hours = figure((width) => hoursChart(rows(d.by_hour), chosen.currency, width));
  const types = figure((width) => typesChart(rows(d.by_type), chosen.currency, width));
  const shown = el("div"), hoursTitle = el("h3"), typesTitle = el("h3");
  const redraw = () => {
    hoursTitle.textContent = `${chosen.currency} by hour of the day`;
    typesTitle.textContent = `${chosen.currency} by type`;
    hours.redraw();
    types.redraw();
    shown.replaceChildren(amountTables(rows(d.by_hour), rows(d.by_type), chosen.currency));
  };
  redraw();
  const choice = el("fieldset", {}, el("legend.hidden", {}, "What the charts show"),
    chips("currency", currencies.map(([currency]) => [currency, currency]), (value) => { chosen.currency = value; redraw(); }),
    d.earlier_runs ? chips("scope", [["all", "all that is held"], ["new", "this run"]], (value) => { chosen.onlyNew = value === "new"; redraw(); }) : null);
  const records = d3.sum(currencies, ([, n]) => n);
  return section("amounts", `${count(records)} booked entries in ${plural(currencies.length, "currency", "currencies")}, ${percent(currencies[0][1], records)} of them in ${currencies[0][0]}`,
    "Booked entries only; what is pending or rejected moves no balance. Hours are those of the event, in UTC.", choice,
    el("div.pair", {},
      el("div.card", {}, hoursTitle, legend(["main", "credits"], ["debit", "debits"]), hours),
      el("div.card", {}, typesTitle, legend(["main", "credits"], ["debit", "debits"]), types)),
    shown, el("div.card", {}, el("h3", {}, "All currencies"), currencyTable(d.by_type, currencies, records)));
}

function currencyTable(rows, currencies, all) {
  const total = (currency, indicator) => amount(exactSum(rows.filter((row) => row.currency === currency && row.credit_debit_indicator === indicator).map((row) => row.amount)));
  return scrolling("All currencies", table("Booked entries by currency", [["currency"], ["entries", true], ["credits", true], ["debits", true], ["share of the entries"]],
    currencies.map(([currency, n]) => [currency, count(n), total(currency, "CRDT"), total(currency, "DBIT"), wide(bar([n / all, "main"]))])));
}

function chips(name, options, chosen) {
  return el("div.chips", { role: "group", "aria-label": name }, options.map(([value, text], place) => el("label", {},
    el("input", { type: "radio", name, value, checked: place === 0, onchange: () => chosen(value) }), el("span", {}, text))));
}

// Rows of the same group and indicator added up.
function merged(rows) {
  return d3.flatRollup(rows, (of) => ({ records: d3.sum(of, (row) => row.records), amount: exactSum(of.map((row) => row.amount)) }),
    (row) => row.group, (row) => row.credit_debit_indicator)
    .map(([group, credit_debit_indicator, sums]) => ({ group, credit_debit_indicator, ...sums }));
}

function amountTables(hours, types, currency) {
  const lines = (rows, name) => rows.map((row) => [name(row.group), row.credit_debit_indicator, count(row.records), amount(row.amount)]);
  const columns = (first) => [[first], ["indicator"], ["entries", true], [currency, true]];
  return el("div.pair", {},
    numbers(table(`${currency} by hour`, columns("hour"), lines(hours, (hour) => `${hour.padStart(2, "0")}:00`)), `${currency} by hour`),
    numbers(table(`${currency} by type`, columns("type"), lines(types, words)), `${currency} by type`));
}

function alertsSection(d) {
  const all = Object.values(d.alerts_by_rule).reduce((sum, n) => sum + n, 0);
  const title = all ? `${plural(all, "alert")} by ${plural(Object.keys(d.alerts_by_rule).length, "rule")}` : "No fraud rule raised an alert";
  const rules = Object.entries(d.alerts_by_rule).map(([rule, n]) => `${words(rule)} ${count(n)}`).join(" · ");
  return section("alerts", title, all ? `${rules}. Open one for the transactions that it rests on. It closes where too few of them still stand.` : "Rules look at each account and card by hour or day of event time.",
    all ? el("div.pair", {}, d3.groups(d.alerts, (found) => found.rule).map(([rule, found]) => alertsOf(rule, found, d.alerts_by_rule[rule]))) : null);
}

function alertsOf(rule, found, all) {
  const rest = all > found.length ? el("p.sub", {}, `${count(all - found.length)} more are in the warehouse: fraud_alerts and fraud_alert_evidence.`) : null;
  return el("div.card.alerts", {}, el("h3", {}, words(rule), el("b", {}, count(all))), el("p.sub", {}, capital(found[0].reason), "."), found.map(alert), rest);
}

function alert(found) {
  const color = { HIGH: "bad", MEDIUM: "warn", LOW: "plain" }[found.severity] || "plain";
  return el("details", {},
    el("summary", {}, el(`span.pill.${color}`, {}, words(found.severity)),
      el("span", {}, plural(found.evidence.length, "transaction"), found.state === "CLOSED" ? ", closed" : ""), el("time", {}, moment(found.bucket_start))),
    scrolling(`Evidence of ${words(found.rule)}`, table("What the alert rests on", [["transaction"], ["account"], ["time"], ["amount", true]],
      found.evidence.map((row) => [el("code", {}, row.transaction_id), row.account, moment(row.event_time), `${amount(row.amount)} ${row.currency}`]))));
}

function trailSection(d) {
  if (!d.trail) return null;
  const { transaction_id, state, records, alerts } = d.trail;
  const colors = { curated: "main", quarantined: "amber", duplicate: "grey", waiting: "grey" };
  const card = (record) => el("div.card", {},
    el("h3", {}, [record.status || "Unreadable", record.amount, record.currency].filter(Boolean).join(" ")),
    el("p.sub", {}, record.ending === "curated" ? `happened ${moment(record.event_time)}` : record.ending),
    el("ol.trail", {}, record.steps.map((step) => el(`li.${colors[record.ending]}`, {},
      el("div", {}, el("strong", {}, words(step.hop)), " ", step.what), step.at ? el("p", {}, moment(step.at)) : null, step.where ? el("p", {}, el("code", {}, step.where)) : null))));
  const more = alerts.length ? ` ${plural(alerts.length, "alert")} (${alerts.map((found) => words(found.rule).toLowerCase()).join(", ")}) ${alerts.length === 1 ? "rests" : "rest"} on it.` : "";
  return section("trail", `One of them, followed: ${plural(records.length, "record")} of a transaction that is ${state.toLowerCase()}`,
    [`Transaction `, el("code", {}, transaction_id), `.${more} Every other one is followed so by `, el("code", {}, "banking-data trace"), "."], el("div.trails", {}, records.map(card)));
}

function alarmsSection(d) {
  if (!d.alarms.length) return null;
  const raised = d.alarms.filter((alarm) => alarm.state === "ALARM").length;
  const signs = { ALARM: ["bad", "Alarm"], OK: ["good", "OK"], INSUFFICIENT_DATA: ["plain", "No data"] };
  const shown = (of) => el("ul.alarms", {}, of.map(({ name, state, measured, meaning }) => el("li", {},
    el("div", {}, el("strong", {}, name), el("span", {}, measured)), el(`span.pill.${signs[state][0]}`, {}, signs[state][1]), el("p", {}, meaning))));
  const loud = d.alarms.filter((alarm) => alarm.state !== "OK"), calm = d.alarms.filter((alarm) => alarm.state === "OK");
  return section("alarms", raised ? `${plural(raised, "alarm")} would have been raised` : `None of the ${plural(d.alarms.length, "alarm")} would have been raised`,
    "Judged minute by minute as CloudWatch does, by the metrics that the function and the job put and those that AWS would have counted.",
    el("div.card", {}, loud.length ? shown(loud) : null, el("details", { open: !loud.length }, el("summary", {}, `${plural(calm.length, "alarm")} that stayed OK`), shown(calm))));
}

function restSection(d) {
  const pairs = (found) => el("dl.pairs", {}, Object.entries(found).flatMap(([name, told]) => [el("dt", {}, name), el("dd", {}, String(told))]));
  const part = (title, found) => (Object.keys(found).length ? el("div.card", {}, el("h3", {}, title), el("p.sub"), pairs(found)) : null);
  return section("rest", "What this machine leaves out, and what ran", null, el("div.pair", {},
    part("Left out on this machine", d.left_out), part("Versions", d.versions), part("Injected faults, and how often each happened", d.faults),
    part("Lines of the input that are no records", d.refused_lines)));
}
