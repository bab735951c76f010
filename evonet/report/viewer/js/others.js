// The atlas, the failures, the panel of the selected individual.

const atlas = {
  ask: latest(),
  mount(root) { this.root = el("div"); root.append(el("div", { class: "tools" }, filterBox()), this.root); this.update(new Set(["f"])); },
  update(changed) { if (changed.has("f")) this.ask(source.atlas(conditions()), (found) => { this.found = found; this.draw(); }); else if (changed.has("id")) this.draw(); },
  draw() {
    const { cells, across: all, down, bytes, total } = this.found, across = Math.min(all, Math.max(4, ...cells.map((c) => c[0] % all + 2))), w = 800, h = 520, left = 64, bottom = 44, top = 16, right = 16, cw = (w - left - right) / across, ch = (h - top - bottom) / down;
    if (!cells.length) return put(this.root, el("p", { class: "quiet" }, "No scored individual passes the filter."));
    const scores = cells.map((c) => c[3]).sort((a, b) => a - b), low = scores[Math.floor(scores.length * 0.1)], high = scores.at(-1), y = (v) => h - bottom - Math.log(v / bytes[0]) / Math.log(Math.max(bytes[1] / bytes[0], 1.0001)) * (h - top - bottom);
    const most = Math.max(...cells.map((c) => c[2])), id = selected();
    const square = ([cell, best, count, score]) => {
      const i = cell % all, k = (cell - i) / all, t = high === low ? 1 : (score - low) / (high - low), light = t > 0.62, on = best === id, words = `long share ${(100 * i / all).toFixed(0)} to ${(100 * (i + 1) / all).toFixed(0)} %: ${plural(count, "individual")}, best #${best}, score ${show("score", score)}`;
      return sv("g", { tabindex: "0", role: "button", "aria-label": words, "data-id": best, style: { cursor: "pointer" }, onclick: () => pick(best), onkeydown: (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); pick(best); } }, onpointermove: (e) => tip(e, el("b", null, `#${best}`), words), onpointerleave: () => tip() },
        sv("rect", { x: left + i * cw + 1, y: h - bottom - (k + 1) * ch + 1, width: cw - 2, height: ch - 2, rx: 2, fill: rgb(scale(t)), stroke: on ? ink("mark") : "none", "stroke-width": 3 }),
        sv("text", { x: left + (i + 0.5) * cw, y: h - bottom - (k + 0.5) * ch + 4, "text-anchor": "middle", style: { fill: light ? "#111" : "#fff", "fill-opacity": 0.55 + 0.45 * Math.sqrt(count / most) } }, count > 9999 ? `${Math.round(count / 1000)}k` : count));
    };
    put(this.root, panel("Best individual by long share and size", el("small", null, `${plural(cells.length, "cell")} of ${all * down} hold ${plural(total, "individual")}; the number says how many`),
      sv("svg", { viewBox: `0 0 ${w} ${h}`, role: "group", "aria-label": "Atlas", "data-cells": cells.length },
        sv("path", { d: `M${left} ${top}V${h - bottom}H${w - right}`, fill: "none", class: "axis" }), logTicks(bytes[0], bytes[1]).map((v) => sv("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, tick("bytes", Math.round(v)))), sv("text", { x: 4, y: 10 }, "bytes"),
        nice(0, across / all, 6).map((v) => sv("text", { x: left + v * all / across * (w - left - right), y: h - bottom + 16, "text-anchor": v === across / all ? "end" : "middle" }, tick("long_share", v))), sv("text", { x: w - right, y: h - 10, "text-anchor": "end" }, "long share of |weight|, beyond distance 3"), cells.map(square)),
      el("div", { class: "legend" }, colourBar(low, high, "score"), el("i", null, "the lowest tenth of cells shares the darkest colour"))));
  },
};

const failures = {
  ask: latest(),
  mount(root) { this.root = el("div"); root.append(this.root); this.update(new Set(["view"])); },
  update(changed) {
    if (changed.has("view")) this.ask(source.failures(), (found) => { this.found = found; this.draw(); });
  },
  draw() {
    const { failed, retried, total } = this.found, groups = new Map();
    for (const f of failed) { const key = `${f.outcome}: ${f.reason.replace(/[\d.,]+/g, "…")}`; groups.set(key, (groups.get(key) || 0) + 1); }
    const by = new Map();
    for (const [decision, attempt, worker, reason, at] of retried) by.set(decision, [...(by.get(decision) || []), `try ${attempt} on ${worker}, ${at}: ${reason}`]);
    put(this.root, el("div", { class: "tools" }, el("h1", null, "Failures"), el("small", null, `${whole.format(total)} of ${plural(Object.values(run.outcomes).reduce((a, b) => a + b, 0), "evaluation")} ended without a score${total > failed.length ? `; the newest ${failed.length} are here` : ""}. A failed candidate is an outcome: the run goes on.`)),
      total ? panel("Why", null, [...groups].sort((a, b) => b[1] - a[1]).slice(0, 20).map(([k, n]) => el("div", { class: "story" }, el("b", null, whole.format(n)), " ", k))) : panel(null, null, el("p", { class: "quiet" }, "None. Every evaluation so far has a score or is in flight.")),
      failed.length ? panel("Stories", null, failed.map((f) => el("div", { class: "story", "data-decision": f.decision }, el("span", { class: "tag" }, f.outcome), " ", about(f.individual), el("small", null, ` decision ${f.decision}, ${f.kind}${f.operator ? ` by ${f.operator}` : ""}, ${f.rung === -1 ? "finishing" : `rung ${f.rung}`}${f.step === null ? "" : `, at step ${f.step}`}`), el("div", null, f.reason), f.cause ? el("pre", null, f.cause) : null, (by.get(f.decision) || []).map((line) => el("div", null, el("small", null, line)))))) : null,
      retried.some(([d]) => !failed.some((f) => f.decision === d)) ? panel("Tries that were repeated and then answered, or are in flight", null, retried.filter(([d]) => !failed.some((f) => f.decision === d)).map(([d, n, worker, reason, at]) => el("div", { class: "story" }, el("span", { class: "tag" }, "retry"), ` decision ${d}, try ${n} on ${worker}: ${reason}`, el("div", null, el("small", null, at))))) : null);
    this.root.dataset.failed = failed.length;
  },
};

const side = { ask: latest(), askMotifs: latest() };
function drawSide() {
  const box = $("side"), id = selected();
  if (id === null) return put(box, el("h1", null, "No individual selected", el("button", { class: "drawer", onclick: () => box.classList.toggle("open") }, "…")), el("p", { class: "quiet" }, "Choose one anywhere, and see it everywhere."), run.best.length ? el("button", { onclick: () => pick(run.best[0].id) }, `The best: #${run.best[0].id}`) : null, el("section", null, el("h3", null, "Keys"), pairs([["1 … 9", "views"], ["/", "filter"], ["b", "the best"], ["p", "first parent"], ["t", "light, dark"], ["Esc", "no selection"]])));
  side.ask(source.rowOf(id), (row) => {
    if (!row) return put(box, el("h1", null, `#${id}`), el("p", null, `There is no individual ${id}; there are 0 to ${run.count - 1}.`));
    const motifs = el("div", { class: "motifs" }), rank = run.best.findIndex((r) => r.id === id);
    put(box, el("h1", null, `#${id}`, el("span", { class: "tag" }, row.rung === -1 ? "finished" : run.states[row.state]), rank >= 0 ? el("small", null, rank ? `${rank + 1}. best` : "the best") : null, el("button", { class: "drawer", "aria-label": "More about the selected individual", onclick: () => box.classList.toggle("open") }, show("accuracy", row.accuracy), " ▴")),
      pairs([["score", el("b", null, show("score", row.score))], ["accuracy", show("accuracy", row.accuracy)], ["loss", show("loss", row.loss)], ["bytes", show("bytes", row.bytes)], ["MACs", show("macs", row.macs)], ["weights", `${show("nonzero", row.nonzero)} of ${show("weights", row.weights)}`], ["long share", show("long_share", row.long_share)], ...onRequest().map((n) => [word(n), show(n, row[n])]), ["generation", row.generation], ["born by", run.words[row.operator] || run.kinds[row.kind]], ["parents", row.p0 === null ? "none" : [about(row.p0), row.p1 === null ? null : [" × ", about(row.p1)]]]]),
      el("section", null, motifs),
      el("section", null, el("div", { class: "tools" }, ["individual", "lineage"].map((view) => el("button", { onclick: () => go({ view }) }, view)), el("button", { onclick: () => go({ b: state.b === String(id) ? "" : id }), "aria-pressed": String(state.b === String(id)), title: "keep as the second individual of the diff" }, "compare"), state.b !== "" && state.b !== String(id) ? el("button", { onclick: () => go({ view: "diff" }) }, `diff with #${state.b}`) : null)),
      el("section", null, el("h3", null, "In the terminal"), command(`evonet show ${quoted(run.path)} ${id}`), command(`evonet export ${quoted(run.path)} --id ${id} --out exports/${id}`), run.live || run.actions ? [command(`evonet cull ${quoted(run.path)} ${id}`), command(`evonet note ${quoted(run.path)} ${id} 'what I saw'`)] : null), run.actions ? actions(id) : null);
    side.askMotifs(source.details(id), (found) => {
      const weights = found.plan?.tensors.map((t) => t.weights ? floatsOf(t.weights) : null);
      put(motifs, found.plan ? found.plan.stages.slice(0, 6).map((s) => el("figure", null, motifPicture(s, weights[s.weight], 74), el("figcaption", null, s.name.replace("sheet", "s").replace(".motif", " m").replace(".taps", "")))) : found.genes.filter((g) => g.taps).slice(0, 6).map((g) => el("figure", null, genePicture(g, 74), el("figcaption", null, g.place))), found.problem ? el("small", null, found.problem) : null);
    });
  });
}
// Only where `evonet ui --allow-actions` serves the page: requests go to the run's inbox.
function actions(id) {
  const said = el("p", { role: "status" }), note = el("input", { placeholder: "note on this individual", "aria-label": "Note", maxlength: 500, style: { width: "100%" } }), at = el("input", { type: "number", min: 0, value: Math.floor(run.count / run.population) + 1, "aria-label": "Generation", style: { width: "80px" } });
  const act = (kind, data) => async () => { try { put(said, await source.act(kind, data())); } catch (error) { put(said, error.message); } };
  return el("section", { id: "actions" }, el("h3", null, "Step in"), el("div", { class: "tools" }, el("button", { onclick: act("cull", () => ({ individuals: [id] })) }, `cull #${id}`), el("button", { onclick: act("inject", () => ({ individual: id })) }, `inject #${id} again`)), el("div", { class: "tools" }, note, el("button", { onclick: act("note", () => ({ individual: id, text: note.value })) }, "note")), el("div", { class: "tools" }, el("button", { onclick: act("pause", () => ({ generation: Number(at.value) })) }, "pause at generation"), at), said, el("small", null, "Written to the run's inbox; the driver takes it up at its next decision."));
}
