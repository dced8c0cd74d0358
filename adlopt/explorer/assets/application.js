"use strict";
// Settings, the address, and what is drawn.
(() => {
  const $ = (id) => document.getElementById(id);
  const presets = JSON.parse($("presets").textContent);
  const DEFAULT = { preset: 0, asset: "", side: "-1", reduction: 333, model: "factor", days: 10, volatility: 1, correlation: 0.85,
    alpha: 99, left: "optimal", right: "hyperliquid" };
  const KEYS = Object.keys(DEFAULT), NUMBERS = ["preset", "reduction", "days", "volatility", "correlation", "alpha"];
  const state = { ...DEFAULT };
  let locked = false;

  function option(select, value, text) {
    const node = document.createElement("option");
    node.value = value;
    node.textContent = text;
    select.appendChild(node);
  }

  presets.forEach((book, i) => option($("preset"), i, book.name));
  for (const id of ["left", "right"]) for (const [rule, name] of Object.entries(mathematics.RULES)) option($(id), rule, name);

  const book = () => presets[state.preset];

  function choosePreset() {
    const chosen = book();
    $("asset").replaceChildren();
    for (const name of Object.keys(chosen.marks)) option($("asset"), name, name);
    if (!(state.asset in chosen.marks)) state.asset = chosen.asset;
  }

  function startOf(preset) {
    const chosen = presets[preset];
    return { ...DEFAULT, preset, asset: chosen.asset, side: String(chosen.side), reduction: chosen.reduction,
      days: chosen.days, correlation: chosen.correlation };
  }

  function available() {
    const side = Number(state.side);
    return book().accounts.reduce((sum, one) => {
      const size = one.positions[state.asset] || 0;
      return sum + (one.equity > 0 && Math.sign(size) === side ? Math.abs(size) : 0);
    }, 0);
  }

  // Money per contract and standard deviation over the horizon, by asset.
  function deviations() {
    const root = Math.sqrt(state.days / 365) * state.volatility, found = {};
    for (const [name, mark] of Object.entries(book().marks)) found[name] = mark * book().volatility[name] * root;
    return found;
  }

  function setting(contracts, rule) {
    const chosen = book(), all = deviations();
    const common = { accounts: chosen.accounts, marks: chosen.marks, rule, alpha: state.alpha / 100, points: 2048,
      reduction: { [state.asset]: Number(state.side) * contracts } };
    if (state.model === "normal") return { ...common, normal: { deviation: all, correlation: state.correlation } };
    return { ...common, direction: all };
  }

  // ------------------------------------------------------------ address
  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const preset = Math.min(Math.max(Math.trunc(Number(given.get("preset"))) || 0, 0), presets.length - 1);
    Object.assign(state, startOf(preset));
    for (const key of KEYS) {
      if (!given.has(key) || key === "preset") continue;
      const value = NUMBERS.includes(key) ? Number(given.get(key)) : given.get(key);
      if (NUMBERS.includes(key) && !Number.isFinite(value)) continue;
      if (["left", "right"].includes(key) && !(value in mathematics.RULES)) continue;
      if (key === "model" && !["factor", "normal"].includes(value)) continue;
      if (key === "side" && !["1", "-1"].includes(value)) continue;
      state[key] = value;
    }
  }

  function writeAddress() {
    const start = startOf(state.preset), kept = new URLSearchParams();
    for (const key of KEYS) if (key === "preset" ? state.preset : state[key] !== start[key]) kept.set(key, state[key]);
    const hash = kept.toString();
    locked = true;
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    locked = false;
  }

  // ------------------------------------------------------------ drawing
  function showControls() {
    choosePreset();
    for (const key of KEYS) {
      const control = $(key), value = String(state[key]);
      if (control && control.value !== value) control.value = value;
      if (control && control.type === "range") state[key] = Number(control.value) === state[key] ? state[key] : clampTo(control, state[key]);
    }
    const all = available(), contracts = (all * state.reduction) / 1000;
    const unit = Object.keys(book().marks).length === 2;
    $("model").options[1].disabled = !unit;
    if (!unit) state.model = "factor";
    $("model").value = state.model;
    $("correlation-field").hidden = state.model !== "normal";
    $("alpha-field").hidden = state.model === "normal";
    $("reduction-text").textContent = `${pictures.short(contracts)} of ${pictures.short(all)} ${state.asset}`;
    $("days-text").textContent = state.days;
    $("volatility-text").textContent = `${state.volatility} x`;
    $("correlation-text").textContent = state.correlation.toFixed(2);
    $("alpha-text").textContent = `${state.alpha} %`;
    $("reduction").setAttribute("aria-valuetext", $("reduction-text").textContent);
    return contracts;
  }

  function clampTo(control, value) {
    return Math.min(Math.max(value, Number(control.min)), Number(control.max));
  }

  function draw() {
    const contracts = showControls();
    const problem = $("problem");
    problem.hidden = true;
    if (!(contracts > 0)) {
      problem.textContent = available() > 0 ? "Nothing is to be taken. Move the first slider to the right."
        : `No solvent account is ${state.side > 0 ? "long" : "short"} ${state.asset}. Choose the other side.`;
      problem.hidden = false;
      for (const id of ["answer", "filling", "who", "loss", "exceed", "price"]) $(id).replaceChildren();
      $("proof").textContent = "";
      return;
    }
    const rules = [["a", state.left], ["b", state.right]];
    if (!rules.some(([, rule]) => rule === "optimal")) rules.push(["o", "optimal"]);
    const read = mathematics.read(setting(contracts, "optimal"));
    const found = rules.map(([kind, rule]) => {
      const { taken, level } = mathematics.reductions(read, rule);
      return { kind, rule, name: mathematics.RULES[rule], taken, level, ...mathematics.evaluate(read, taken) };
    });
    if (found[0].rule === found[1].rule) found.splice(1, 1);
    const factor = factorView(read, contracts);
    risks(factor, found);
    table(read, found);
    fillingPicture(factor, found[0]);
    whoPicture(read, found);
    lossPicture(factor, found);
    pricePicture(read, contracts, found);
  }

  // The same book under one factor: what the bars and the shock pictures show under both models.
  function factorView(read, contracts) {
    return state.model === "factor" ? read : mathematics.read({ ...setting(contracts, "optimal"), normal: undefined, direction: deviations() });
  }

  function risks(factor, found) {
    const { value, mass } = mathematics.strata(2048);
    for (const one of found) {
      one.exposures = mathematics.exposuresAfter(factor, one.taken);
      one.losses = mathematics.lossAt(factor, one.exposures, value);
      one.cvar = state.model === "factor" ? mathematics.cvar(one.losses, mass, state.alpha / 100) : null;
    }
  }

  const money = (x) => (x === null ? "" : x === 0 ? "0" : Math.abs(x) < 1e-4 ? x.toExponential(2) : x.toLocaleString("en-US", { maximumSignificantDigits: 6 }));

  function table(read, found) {
    const best = found.find((one) => one.rule === "optimal");
    const rows = [
      ["Expected loss", (one) => money(one.value)],
      ["Proven: no choice is below", () => money(best.bound)],
      ["Above that bound", (one) => (one.value > best.bound * (1 + 1e-12) ? `${(100 * (one.value / best.bound - 1)).toPrecision(3)} %` : "0 %")],
      [`CVaR ${state.alpha} %`, (one) => money(one.cvar)],
      ["Accounts reduced", (one) => one.taken.filter((x) => x > 0).length],
      ["Closed completely", (one) => one.taken.filter((x, i) => x > 0 && x >= read.most[i]).length],
    ].filter(([name]) => state.model === "factor" || !name.startsWith("CVaR"));
    const body = document.createElement("tbody");
    const cell = (row, tag, text, scope) => {
      const node = document.createElement(tag);
      node.textContent = text;
      if (scope) node.scope = scope;
      row.appendChild(node);
    };
    const head = document.createElement("tr");
    cell(head, "th", "", "col");
    for (const one of found) cell(head, "th", one.name, "col");
    body.appendChild(head);
    for (const [name, text] of rows) {
      const row = document.createElement("tr");
      cell(row, "th", name, "row");
      for (const one of found) cell(row, "td", text(one));
      body.appendChild(row);
    }
    $("answer").replaceChildren(body);
    const reach = state.model === "factor" ? " It is also optimal for CVaR and every other monotone risk measure." : "";
    $("proof").textContent = `The optimum's expected loss is ${money(best.value)}, at most ${(best.gap || 0).toExponential(0)} of it above the best possible. `
      + `One more contract would save ${money(best.price)}.${reach}`;
  }

  function fillingPicture(factor, first) {
    const side = Math.sign(factor.risk.direction[factor.k]) * factor.side;
    const columns = [];
    for (let i = 0; i < factor.n; i++) {
      if (factor.most[i] <= 0) continue;
      const equity = factor.equity[i];
      columns.push({ name: factor.accounts[i].name, equity, before: (side * mathematics.exposure(factor, i)) / equity, after: (side * first.exposures[i]) / equity });
    }
    columns.sort((a, b) => b.before - a.before);
    const level = first.rule === "optimal" && state.model === "factor" ? first.level : null;
    pictures.filling($("filling"), columns, level, moveLevel);
  }

  // The reduction whose optimal level is the one that was dragged to.
  function moveLevel(eta) {
    const read = mathematics.read(setting(available(), "optimal"));
    const { high, low } = mathematics.leverageBounds(read);
    let given = 0;
    for (let i = 0; i < read.n; i++) {
      if (read.most[i] > 0) given += read.equity[i] * Math.min(Math.max(high[i] - eta, 0), high[i] - low[i]);
    }
    const contracts = given / Math.abs(read.risk.direction[read.k]);
    state.reduction = Math.min(Math.max((1000 * contracts) / read.available, 1), 1000);
    update();
  }

  function whoPicture(read, found) {
    const rows = [];
    for (let i = 0; i < read.n; i++) if (read.most[i] > 0) rows.push(i);
    rows.sort((a, b) => read.most[b] - read.most[a]);
    const two = found.slice(0, 2);
    pictures.who($("who"), rows.slice(0, 8).map((i) => ({ name: read.accounts[i].name,
      fractions: two.map((one) => one.taken[i] / read.most[i]) })), two.map((one) => one.name));
  }

  function lossPicture(factor, found) {
    const steps = 161, v = factor.risk.direction[factor.k], mark = factor.marks[factor.k];
    const shocks = Float64Array.from({ length: steps }, (_, i) => -5 + (10 * i) / (steps - 1));
    const list = found.map((one) => {
      const loss = mathematics.lossAt(factor, one.exposures, shocks);
      return [one.kind, one.name, Array.from(shocks, (shock, i) => [(100 * shock * v) / mark, loss[i]])];
    });
    pictures.curves($("loss"), "Loss of the exchange against the move of the reduced asset, by rule",
      { x: `move of ${state.asset} in percent`, y: "loss" }, list);
    const { mass } = mathematics.strata(2048);
    const tails = found.map((one) => [one.kind, one.name, thin(mathematics.exceedance(one.losses, mass))
      .map(([loss, p]) => [loss, Math.max(Math.log10(p) + 6, 0)])]);
    pictures.curves($("exceed"), "Probability that the loss exceeds an amount, by rule",
      { x: "loss", y: "probability", format: { y: (t) => `1e${Math.round(t - 6)}` } }, tails);
  }

  const thin = (points) => points.filter(([, p], i) => p >= 1e-6 && (i % Math.ceil(points.length / 300) === 0));

  function pricePicture(read, contracts, found) {
    const best = found.find((one) => one.rule === "optimal"), all = read.available, points = [];
    for (let i = 1; i <= 40; i++) {
      const some = { ...read, required: Math.min((all * i) / 40, all) };
      points.push([some.required, valueOf(some)]);
    }
    const nothing = mathematics.evaluate(read, new Float64Array(read.n)).value;
    points.unshift([0, nothing]);
    const line = [0, all].map((x) => [x, best.value - best.price * (x - contracts)]);
    const tangent = clip(line, nothing);
    pictures.curves($("price"), "Least expected loss against the contracts taken, with its tangent",
      { x: `${state.asset} contracts taken`, y: "expected loss" },
      [["a", "least expected loss", points], ["b", "tangent", tangent]], { dot: [contracts, best.value], x: [0, all] });
  }

  const valueOf = (read) => mathematics.evaluate(read, mathematics.reductions(read, "optimal").taken).value;

  // The part of a falling line between zero and the top.
  function clip([[x0, y0], [x1, y1]], top) {
    const at = (y) => x0 + ((y - y0) / (y1 - y0)) * (x1 - x0);
    if (!(y0 > y1)) return [[x0, y0], [x1, y1]];
    const from = y0 > top ? [at(top), top] : [x0, y0], to = y1 < 0 ? [at(0), 0] : [x1, y1];
    return [from, to];
  }

  // ------------------------------------------------------------ events
  function update() {
    try {
      draw();
      writeAddress();
    } catch (error) {
      $("problem").textContent = error.message;
      $("problem").hidden = false;
    }
  }

  $("controls").addEventListener("input", (event) => {
    const key = event.target.id;
    if (key === "preset") Object.assign(state, startOf(Number(event.target.value)));
    else if (KEYS.includes(key)) state[key] = NUMBERS.includes(key) ? Number(event.target.value) : event.target.value;
    update();
  });
  $("reset").addEventListener("click", () => { Object.assign(state, startOf(state.preset)); update(); });
  $("print").addEventListener("click", () => window.print());
  window.addEventListener("hashchange", () => { if (!locked) { readAddress(); update(); } });
  window.addEventListener("resize", update);

  window.adlopt = { solve: mathematics.solve, state, update };
  readAddress();
  update();
})();
