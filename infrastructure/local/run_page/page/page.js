"use strict";
// Draws the document that is in the page. While the run goes on, asks for how it goes on, and draws that.

const LOOK_AGAIN = 700;
const TO_AND_FRO = 1600; // as in style.css

function draw(d) {
  document.title = `${d.balanced ? "Balanced" : "Not balanced"} · run report`;
  document.getElementById("page").replaceChildren(
    el("div.wide", {}, heading(d),
      el("main", { id: "content" }, [flowSection, beside, timeSection, stagesSection, totalsSection, quarantineSection, amountsSection, alertsSection, trailSection, alarmsSection, restSection].map((of) => of(d))),
      el("footer", {}, `Made ${moment(d.generated_at)} by banking-data local. The figures for a program are in run.json beside this page. Charts: Observable Plot and D3 (ISC licence).`)));
}

const STAGES = ["provision", "produce", "land", "curate", "load", "reconcile"];

function drawLive(d) {
  const page = document.getElementById("page");
  let list = page.querySelector(".live");
  if (!list) {
    list = el("div.live.card");
    page.replaceChildren(el("div.wide", {},
      el("header.top", {}, el("p.eyebrow", {}, "Real-Time Banking Data Platform"), el("h1", {}, "The run goes on."),
        el("p.meta", {}, el("span.pill.plain", {}, "Live"), el("span", {}, moment(d.started_at)), el("span", {}, d.source), el("span", { id: "elapsed" }))),
      el("main", { id: "content" }, section("live", "Where it is", "This page follows the run, and shows all figures once it has ended.", list), el("p.hidden", { role: "status", id: "told" }))));
  }
  document.getElementById("elapsed").textContent = seconds(d.seconds);
  const begun = Object.fromEntries(d.stages.map((stage) => [stage.name, stage]));
  list.replaceChildren(...STAGES.map((name) => liveStage(name, begun[name])));
  const current = d.stages.filter((stage) => !stage.ended).map((stage) => stage.name).join(", ");
  const told = document.getElementById("told");
  const text = current ? `At ${current}` : "";
  if (told.textContent !== text) told.textContent = text;
}

function liveStage(name, stage) {
  if (!stage) return el("div.stage.waiting", {}, el("span", {}, name), bar([0, "main"]), el("span", {}, "waits"), el("small"));
  const share = stage.ended ? 1 : stage.total ? Math.min(1, stage.records / stage.total) : 0;
  const progress = stage.ended || stage.total ? bar([share, "main"]) : movingBar();
  return el("div.stage", {}, el("span", {}, name), progress,
    el("span", {}, `${stage.ended ? "✓ " : ""}${count(stage.records)} in ${seconds(stage.seconds)}`), el("small", {}, stage.note));
}

// How much is done is unknown. It is drawn anew each time, and goes on where the one before was.
function movingBar() {
  const part = el("i");
  part.style.animationDelay = `-${performance.now() % (2 * TO_AND_FRO)}ms`;
  return el("span.bar.moving", { "aria-hidden": "true" }, part);
}

async function follow() {
  try {
    const answer = await fetch("document.json", { cache: "no-store" });
    const d = await answer.json();
    if (!d.is_live) return draw(d);
    drawLive(d);
  } catch {
    const told = document.getElementById("told");
    if (told) told.textContent = "The run has ended or was interrupted; this page no longer follows it.";
    document.querySelector(".pill")?.replaceChildren("Interrupted");
    return undefined;
  }
  return setTimeout(follow, LOOK_AGAIN);
}

const first = JSON.parse(document.getElementById("data").textContent);
if (first.is_live) {
  drawLive(first);
  follow();
} else {
  draw(first);
}
