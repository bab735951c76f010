// Views, keys, and the beat of a live run.

const VIEWS = { overview, front, generations, table, lineage, individual, diff, atlas, failures };

function drawHead() {
  const live = run.live ? "live" : run.state;
  put($("head"), el("div", { class: "top" }, el("span", { class: "name" }, el("span", { class: "mark" }, "evonet "), run.name), el("span", { class: `state ${live}` }, run.live ? "running" : run.state === "dead" ? "killed, resumable" : run.state), el("span", { class: "quiet wide" }, `${plural(run.count, "individual")}, ${run.data}${run.written ? `; as of ${run.written}` : ""}`), el("span", { class: "grow" }), run.reading ? el("small", null, run.reading) : null, el("button", { onclick: toggleTheme, "aria-label": dark() ? "Light theme" : "Dark theme" }, dark() ? "☀ light" : "☾ dark")),
    el("nav", { "aria-label": "Views" }, Object.keys(VIEWS).map((name) => el("a", { href: link({ view: name }), "data-view": name, "aria-current": name === state.view ? "page" : null }, name))));
}

function keys(e) {
  if (e.target.matches("input, select, textarea") || e.ctrlKey || e.metaKey || e.altKey) return;
  const view = Object.keys(VIEWS)[Number(e.key) - 1];
  if (e.key >= "1" && view) go({ view });
  else if (e.key === "/") { $("filter")?.focus(); e.preventDefault(); }
  else if (e.key === "b" && run.best.length) pick(run.best[0].id);
  else if (e.key === "t") toggleTheme();
  else if (e.key === "Escape") go({ id: "" });
  else if (e.key === "p" && selected() !== null) source.rowOf(selected()).then((r) => { if (r && r.p0 !== null) pick(r.p0); });
}

// Every link to an individual keeps the view; its address is made when it is used.
function follow(e) {
  const target = e.target.closest?.("a[data-pick], a[data-view]");
  if (!target || e.button || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  if (target.dataset.pick) pick(Number(target.dataset.pick)); else go({ view: target.dataset.view });
}

async function beat() {
  try {
    const changed = document.visibilityState === "visible" && await source.refresh();
    if (changed) { const focus = document.activeElement; if (!focus?.matches?.("input, select, textarea")) { drawHead(); if (["overview", "failures"].includes(state.view)) mount(); else VIEWS[state.view].update(new Set(["f", "view", "data"])); } }
    say(run.notice);
  } catch (error) { say(`The server does not answer (${error.message}); this is what was known.`); }
  setTimeout(beat, run.live ? 2000 : 10000);
}

async function start() {
  applyTheme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { applyTheme(); if (run) everything(); });
  const report = $("run") !== null;
  source = report ? new Report() : new Served();
  try {
    await source.open();
  } catch (error) { return put($("main"), el("h1", null, "This run cannot be shown"), el("p", null, error.message)); }
  for (const name of ON_REQUEST) if (!run.numbers.includes(name)) delete MEASURES[name];
  state = readHash();
  last = { ...state };
  everything();
  say(run.notice);
  addEventListener("hashchange", moved);
  addEventListener("keydown", keys);
  document.addEventListener("click", follow);
  document.documentElement.dataset.ready = "1";
  requestAnimationFrame(() => performance.mark("ready"));
  if (!report) setTimeout(beat, 1500);
}
start();
