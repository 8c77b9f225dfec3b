"use strict";
// The flow: a ribbon as thick as its records are many, from the producer to the warehouse, with what leaves on the way.

const HOP_NAMES = {
  produced: ["Produced", "by the bank"],
  streamed: ["Streamed", "Kinesis"],
  landed: ["Landed", "Lambda to S3"],
  curated: ["Curated", "Glue to Iceberg"],
  loaded: ["Loaded", "warehouse"],
};
const THICKEST = 92;
const THINNEST = 3;

const LEAVING = {
  quarantined: ["amber", "quarantined"],
  duplicate: ["grey", "duplicate"],
  erased: ["grey", "of an erased account"],
};
const BY = { streamed: "by the Lambda", landed: "by the job" };

function flow(d) {
  const held = Object.fromEntries(d.hops.map((hop) => [hop.hop, hop.records]));
  const exits = d.leaving.map(({ after, why, records }) => ({ after, records, color: LEAVING[why][0], name: LEAVING[why][1], told: BY[after] }));
  return el("figure.flow.card", {}, flowPicture(held, exits), flowList(held, exits));
}

function flowList(held, exits) {
  const line = (color, name, told, records) =>
    el(`li.${color}`, {}, el("div", {}, name, el("small", {}, told)), el("strong", {}, count(records)));
  const hops = Object.entries(HOP_NAMES).filter(([hop]) => hop in held);
  return el("ol", {},
    hops.flatMap(([hop, [name, told]]) => [line("main", name, told, held[hop]),
      ...exits.filter((exit) => exit.after === hop).map((exit) => line(exit.color, capital(exit.name), exit.told, exit.records))]),
    line("light", "of them pending", "not final yet", held.pending || 0));
}

function flowPicture(held, exits) {
  const width = 1040, top = 74, step = 32;
  const height = top + THICKEST + 30 + step * Math.max(0.5, exits.length - 0.3);
  const hops = Object.keys(HOP_NAMES).filter((hop) => hop in held);
  const most = Math.max(1, ...hops.map((hop) => held[hop]));
  const thick = (records) => (records ? Math.max(THINNEST, (records / most) * THICKEST) : 0);
  const x = d3.scalePoint(hops, [6, width - 150]);
  const svg = d3.create("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img").attr("aria-label", flowInWords(held, exits));
  const ribbon = d3.area().x((point) => point[0]).y0((point) => point[1]).y1((point) => point[2]).curve(d3.curveBumpX);
  const draw = (points, color, opacity) => svg.append("path").attr("d", ribbon(points)).attr("fill", color).attr("fill-opacity", opacity);
  const text = (classes, at, y, shown) => svg.append("text").attr("class", classes).attr("x", at).attr("y", y).text(shown);
  const aside = (of, shown) => of.append("tspan").attr("class", "name").attr("font-weight", 400).attr("dx", 7).attr("fill", "var(--soft)").text(shown);

  for (const [hop, next] of d3.pairs(hops)) {
    draw([[x(hop), top, top + thick(held[hop])], [x(next), top, top + thick(held[next])]], "var(--main)", 0.22);
  }
  // What leaves, beneath; the last to leave ends highest, so that no ribbon crosses another.
  exits.toReversed().forEach(({ after, records, color, name, told }, place) => {
    const fill = `var(--${color}-fill)`, size = Math.min(14, thick(records));
    const from = x(after) + 6, start = top + thick(held[after]), end = top + THICKEST + 34 + step * place;
    draw([[from, start - size, start], [from + 104, end, end + size]], fill, 0.95);
    svg.append("rect").attr("x", from + 104).attr("y", end - 2).attr("width", 5).attr("height", size + 4).attr("rx", 2).attr("fill", fill);
    aside(text("side", from + 118, end + size / 2 + 5, `${count(records)} ${name}`), told);
  });
  for (const hop of hops) {
    const size = thick(held[hop]);
    svg.append("rect").attr("x", x(hop)).attr("y", top).attr("width", 6).attr("height", size).attr("rx", 2).attr("fill", "var(--main)");
    if (hop === "curated" || hop === "loaded") {
      const pending = thick(held.pending || 0);
      svg.append("rect").attr("x", x(hop)).attr("y", top + size - pending).attr("width", 6).attr("height", pending).attr("fill", "var(--main-light)");
    }
    const [name, told] = HOP_NAMES[hop];
    aside(text("name", x(hop), 18, name), told);
    text("count", x(hop), 48, count(held[hop]));
  }
  const last = hops[hops.length - 1], bottom = top + thick(held[last]);
  aside(text("side", x(last) + 18, top + 14, count(held.ledger || 0)), "final");
  aside(text("side", x(last) + 18, Math.max(bottom, top + 34), count(held.pending || 0)), "pending");
  return svg.node();
}

function flowInWords(held, exits) {
  const hops = Object.entries(HOP_NAMES).filter(([hop]) => hop in held).map(([hop, [name]]) => `${name.toLowerCase()} ${count(held[hop])}`);
  return `The flow of records: ${[...hops, ...exits.map((exit) => `${exit.name} ${exit.told} ${count(exit.records)}`)].join(", ")}`;
}
