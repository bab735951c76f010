// Where the run stands: the best so far, what is left, what went wrong, how it got here.

const overview = {
  update() {},
  mount(root) {
    const best = run.best[0], done = run.count, all = run.wanted;
    const left = run.state === "finished" ? "finished" : run.left_s ? `about ${span(run.left_s)} left` : run.live ? "time left not known yet" : `evonet resume goes on`;
    const failed = run.outcomes.diverged + run.outcomes.rejected + run.outcomes.lost;
    const cards = best ? [
      ["best so far", about(best.id), `${best.rung === -1 ? "finished" : `rung ${best.rung}`}, ${run.words[best.operator] || run.kinds[best.kind]}`],
      ["accuracy", show("accuracy", best.accuracy), best.choice_accuracy === null ? "validation" : `validation; ${show("accuracy", best.choice_accuracy)} on choice`],
      ["package", `${show("bytes", best.bytes)} B`, `${show("nonzero", best.nonzero)} of ${show("weights", best.weights)} weights`],
      ["score", show("score", best.score), run.score],
    ] : [["best so far", "none", "nothing is scored yet"]];
    cards.push(["individuals", whole.format(done), all ? `of ${whole.format(all)}, ${left}` : left]);
    cards.push(["failures", whole.format(failed), failed ? ["diverged", "rejected", "lost"].filter((k) => run.outcomes[k]).map((k) => `${run.outcomes[k]} ${k}`).join(", ") : `of ${plural(Object.values(run.outcomes).reduce((a, b) => a + b, 0), "evaluation")}`]);
    root.append(el("div", { class: "cards" }, cards.map(([name, value, more]) => el("div", { class: "card" }, el("span", null, name), el("b", null, value), el("span", { title: more }, more)))));
    root.append(panel("Best score so far", null, this.progress()));
    root.append(panel("The best", el("small", null, "finished individuals by their score on the choice split, then the others"), el("div", { class: "scroll" }, rowsTable(run.best, ["score", "accuracy", "bytes", "macs", "sheets", "long_share", "seen"]))));
    root.append(el("div", { class: "columns" }, this.events(), this.about()));
  },

  progress() {
    const box = el("div", { class: "chart", style: { height: "150px" } }), canvas = canvasOf(box);
    canvas.setAttribute("role", "img");
    const draw = () => {
      const w = box.clientWidth, h = 150, c = ready(canvas, w, h), rises = run.progress;
      if (!rises.length) return c.fillText("nothing scored yet", 10, 20);
      const worst = rises[Math.min(rises.length - 1, Math.max(1, Math.floor(rises.length / 4)))][1], top = rises.at(-1)[1];
      const x = axis(0, Math.max(run.count, 1), 62, w - 90, false, 0), y = axis(Math.min(rises[0][1] < worst - 3 * (top - worst) ? worst : rises[0][1], top), top, h - 24, 14, false, 0.06);
      drawAxes(c, { left: 62, right: w - 90, top: 8, bottom: h - 24 }, x, y, ["n", "score", "", ""]);
      c.beginPath();
      c.save(); c.rect(62, 4, w - 62, h - 28); c.clip();
      c.beginPath();
      rises.forEach(([i, v], k) => { if (k) c.lineTo(x(i), y(rises[k - 1][1])); c[k ? "lineTo" : "moveTo"](x(i), y(v)); });
      c.lineTo(x(run.count), y(top)); c.strokeStyle = ink("accent"); c.lineWidth = 1.6; c.stroke();
      c.fillStyle = ink("accent");
      for (const [i, v] of rises) { c.beginPath(); c.arc(x(i), y(v), 2.4, 0, 7); c.fill(); }
      c.restore();
      c.fillStyle = ink("ink"); c.textAlign = "left"; c.textBaseline = "middle"; c.fillText(show("score", top), w - 84, y(top));
      canvas.setAttribute("aria-label", `Best score by individual, from ${show("score", rises[0][1])} to ${show("score", top)}`);
    };
    requestAnimationFrame(draw);
    whenResized(box, draw);
    box.addEventListener("click", (e) => {
      const at = (e.offsetX - 62) / (box.clientWidth - 152) * run.count, near = run.progress.filter(([i]) => i <= at + 1).at(-1);
      if (near) pick(near[0]);
    });
    return [box, el("small", null, "by individual; each dot is one that was better than all before, as last measured. Click for it.")];
  },

  events() {
    const items = run.events.map(([at, kind, text, decision]) => el("div", { class: "story" }, el("span", { class: "tag" }, kind), " ", text, decision === null ? null : el("small", null, ` at decision ${decision}`), el("div", null, el("small", null, at))));
    const faults = run.retried.map(([decision, attempt, worker, reason, at]) => el("div", { class: "story" }, el("span", { class: "tag" }, "retry"), ` decision ${decision}, try ${attempt} on ${worker}: ${reason}`, el("div", null, el("small", null, at))));
    return panel("Events and faults", null, items.length + faults.length ? [items, faults] : el("p", { class: "quiet" }, "No notes, no interventions, no worker lost."), run.outcomes.diverged + run.outcomes.rejected + run.outcomes.lost ? el("a", { href: link({ view: "failures" }) }, "Failed individuals and why") : null);
  },

  about() {
    const facts = [["run", run.name], ["data", run.data], ["seed", run.seed], ["population", run.population], ["created", run.created], ["score", run.score], ["evonet", run.provenance.evonet], ["commit", run.provenance.commit], ["command", run.provenance.command]];
    return panel("This run", null, pairs(facts.map(([k, v]) => [k, v === null || v === undefined ? null : typeof v === "string" ? v : JSON.stringify(v)])),
      el("details", null, el("summary", null, "configuration"), el("pre", null, run.config)), run.actions_help.length ? el("details", null, el("summary", null, "step in"), run.actions_help.map(([what, how]) => [el("p", null, what), command(how)])) : null);
  },
};

// Individuals as a small table; a click selects.
function rowsTable(rows, names) {
  const body = rows.map((r) => el("tr", { "data-id": r.id, class: r.id === selected() ? "on" : null, onclick: (e) => { if (e.target.tagName !== "A") pick(r.id); } },
    el("td", { class: "l" }, about(r.id)), el("td", null, r.generation), names.map((n) => el("td", null, show(n, r[n]))), el("td", { class: "l" }, run.words[r.operator] ?? r.operator ?? ""), el("td", { class: "l" }, r.rung === -1 ? "finished" : run.states[r.state] ?? r.state)));
  return el("table", null, el("thead", null, el("tr", null, el("th", { class: "l" }, "id"), el("th", null, "gen"), names.map((n) => el("th", { title: UNITS[n] }, word(n))), el("th", { class: "l" }, "born by"), el("th", { class: "l" }, "state"))), el("tbody", null, body));
}

// The filter that all views share.
function filterBox() {
  const input = el("input", { value: state.f, placeholder: "filter: bytes<600 accuracy>90% gene:lattice op:taps", "aria-label": "Filter", spellcheck: "false", id: "filter",
    oninput: () => { const bad = parseFilter(input.value)[1]; input.classList.toggle("wrong", bad.length > 0); input.title = bad.length ? `not understood: ${bad.join(" ")}` : help; if (!bad.length) soon(() => go({ f: input.value.trim() }, true)); } });
  const help = `Conditions, all of which hold. Measures: ${run.numbers.join(" ")}. gene:NAME or -gene:NAME with ${run.features.join(" ")}. op:TEXT kind:NAME state:NAME generation=3..7`;
  input.title = help;
  return el("div", { class: "filter" }, input, el("button", { onclick: () => { input.value = ""; go({ f: "" }, true); }, "aria-label": "Clear the filter" }, "clear"));
}
let waiting = 0;
function soon(act) { clearTimeout(waiting); waiting = setTimeout(act, 120); }
