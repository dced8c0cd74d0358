"use strict";
// The mathematics of the explorer: reductions, values and bounds of one reduced asset, in closed form.
// Long positions are positive. Money and prices are in one currency, sizes in contracts.
const mathematics = (() => {
  // ---------------------------------------------------------------- normal distribution
  // erfc(x) and exp(x^2) erfc(x): rational approximations of W. J. Cody, "Rational Chebyshev
  // approximations for the error function", Mathematics of Computation 23 (1969), to 1e-16.
  const ERF_NUM = [3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
    3.20937758913846947e3, 1.85777706184603153e-1];
  const ERF_DEN = [2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
    2.84423683343917062e3];
  const MID_NUM = [5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
    2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
    1.23033935479799725e3, 2.15311535474403846e-8];
  const MID_DEN = [1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
    1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
    1.23033935480374942e3];
  const FAR_NUM = [3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
    1.60837851487422766e-2, 6.58749161529837803e-4, 1.63153871373020978e-2];
  const FAR_DEN = [2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
    6.05183413124413191e-2, 2.33520497626869185e-3];
  const SQRT_PI = Math.sqrt(Math.PI);

  function ratio(y, num, den) {
    const n = den.length;
    let a = num[n] * y, b = y;
    for (let i = 0; i < n - 1; i++) {
      a = (a + num[i]) * y;
      b = (b + den[i]) * y;
    }
    return (a + num[n - 1]) / (b + den[n - 1]);
  }

  // exp(x^2) erfc(x) for x >= 0.46875.
  function scaledErfc(x) {
    if (x <= 4) return ratio(x, MID_NUM, MID_DEN);
    const y = 1 / (x * x);
    return (1 / SQRT_PI - y * ratio(y, FAR_NUM, FAR_DEN)) / x;
  }

  function erfcx(x) {
    return x >= 0.46875 ? scaledErfc(x) : Math.exp(x * x) * erfc(x);
  }

  function erfc(x) {
    const y = Math.abs(x);
    if (y < 0.46875) return 1 - x * ratio(y * y, ERF_NUM, ERF_DEN);
    const rounded = Math.trunc(y * 16) / 16;
    const tail = Math.exp(-rounded * rounded) * Math.exp(-(y - rounded) * (y + rounded)) * scaledErfc(y);
    return x > 0 ? tail : 2 - tail;
  }

  const density = (t) => Math.exp(-0.5 * t * t) / Math.sqrt(2 * Math.PI);
  const below = (t) => 0.5 * erfc(-t / Math.SQRT2);

  // E[(eps - t)^+] of a standard normal eps, without cancellation in the far tail.
  function excess(t) {
    if (t <= 0) return density(t) - t * below(-t);
    if (t > 30) {
      const i = 1 / (t * t);
      return density(t) * i * (1 - i * (3 - i * (15 - i * (105 - i * (945 - i * 10395)))));
    }
    return density(t) * (1 - t * Math.sqrt(Math.PI / 2) * erfcx(t / Math.SQRT2));
  }

  // Strata of a standard normal: conditional means and probabilities between equally spaced edges.
  const RANGE = 8.5;
  const cache = new Map();
  function strata(points) {
    if (cache.has(points)) return cache.get(points);
    const edges = points - 1, value = new Float64Array(points), mass = new Float64Array(points);
    const half = Math.floor(edges / 2);
    const edge = Float64Array.from({ length: edges }, (_, i) => -RANGE + (2 * RANGE * i) / (edges - 1));
    let total = 0;
    for (let j = 0; j < points; j++) {
      const a = j === 0 ? -Infinity : edge[j - 1], b = j === edges ? Infinity : edge[j];
      // Masses and first moments from the tail on the stratum's own side, as differences.
      let p;
      if (j < half) p = below(b) - (j === 0 ? 0 : below(a));
      else if (j > half) p = below(-a) - (j === edges ? 0 : below(-b));
      else p = 1 - below(a) - below(-b);
      const first = (j === 0 ? 0 : density(a)) - (j === edges ? 0 : density(b));
      value[j] = p > 0 ? Math.min(Math.max(first / p, a), b) : 0;
      mass[j] = p;
      total += p;
    }
    for (let j = 0; j < points; j++) mass[j] /= total;
    const found = { value, mass };
    cache.set(points, found);
    return found;
  }

  // ---------------------------------------------------------------- the problem in arrays
  // setting: accounts [{name, equity, positions {asset: size}, entry {asset: price}}], marks,
  // reduction {asset: contracts, signed like the positions it shrinks}, and either
  // direction {asset: money per contract and unit of the factor}, or
  // normal {deviation {asset: money per contract}, correlation}.
  function read(setting) {
    const assets = Object.keys(setting.marks);
    const [asset] = Object.keys(setting.reduction);
    const required = setting.reduction[asset];
    if (!assets.includes(asset)) throw new Error(`asset ${asset} has no mark`);
    if (!(Math.abs(required) >= 0)) throw new Error("the reduction must be a number of contracts");
    const d = assets.length, k = assets.indexOf(asset), n = setting.accounts.length;
    const equity = new Float64Array(n), size = new Float64Array(n * d), most = new Float64Array(n);
    const side = Math.sign(required) || -1;
    setting.accounts.forEach((account, i) => {
      equity[i] = account.equity;
      assets.forEach((name, j) => { size[i * d + j] = account.positions[name] || 0; });
      const own = size[i * d + k];
      most[i] = equity[i] > 0 && Math.sign(own) === side ? Math.abs(own) : 0;
    });
    const available = most.reduce((a, b) => a + b, 0);
    if (Math.abs(required) > available * (1 + 1e-12)) {
      throw new Error(`${Math.abs(required)} contracts of ${asset} are required, ${available} are available`);
    }
    return { assets, asset, k, d, n, equity, size, most, side, available,
      required: Math.min(Math.abs(required), available),
      marks: assets.map((name) => setting.marks[name]),
      accounts: setting.accounts, risk: riskOf(setting, assets) };
  }

  function riskOf(setting, assets) {
    if (setting.normal) {
      const s = assets.map((name) => setting.normal.deviation[name]), rho = setting.normal.correlation;
      return { normal: true, covariance: s.map((a, i) => s.map((b, j) => (i === j ? a * b : rho * a * b))) };
    }
    return { normal: false, direction: assets.map((name) => setting.direction[name]) };
  }

  function gross(book, i) {
    let sum = 0;
    for (let j = 0; j < book.d; j++) sum += Math.abs(book.size[i * book.d + j]) * book.marks[j];
    return sum;
  }

  // Factor exposure of an account before reductions: money per unit of the factor.
  function exposure(book, i) {
    let sum = 0;
    for (let j = 0; j < book.d; j++) sum += book.risk.direction[j] * book.size[i * book.d + j];
    return sum;
  }

  // ---------------------------------------------------------------- rules
  const RULES = {
    optimal: "Optimum",
    hyperliquid: "Hyperliquid's queue",
    leverage: "Queue by leverage",
    pro_rata: "Pro rata",
  };

  function reductions(book, rule) {
    if (rule === "optimal") return book.risk.normal ? optimalNormal(book) : optimalFactor(book);
    if (rule === "pro_rata") {
      const taken = book.most.map((most) => (book.available > 0 ? (most * book.required) / book.available : 0));
      return { taken, level: null };
    }
    if (rule === "leverage") return { taken: queue(book, (i) => gross(book, i) / book.equity[i]), level: null };
    if (rule === "hyperliquid") return { taken: queue(book, (i) => hyperliquid(book, i)), level: null };
    throw new Error(`rule ${rule} is unknown; use one of ${Object.keys(RULES).join(", ")}`);
  }

  // Accounts in profit by (mark / entry) x (notional / equity), entry / mark for shorts; the others behind.
  function hyperliquid(book, i) {
    const mark = book.marks[book.k], entry = (book.accounts[i].entry || {})[book.asset] || mark;
    const gain = book.side > 0 ? mark / entry : entry / mark;
    const score = (gain * Math.abs(book.size[i * book.d + book.k]) * mark) / book.equity[i];
    return gain > 1 ? score : -1 / score;
  }

  function queue(book, score) {
    const rows = [];
    for (let i = 0; i < book.n; i++) if (book.most[i] > 0) rows.push(i);
    const scores = new Map(rows.map((i) => [i, score(i)]));
    rows.sort((a, b) => scores.get(b) - scores.get(a) || a - b);
    const taken = new Float64Array(book.n);
    let left = book.required;
    for (const i of rows) {
      taken[i] = Math.min(left, book.most[i]);
      left -= taken[i];
      if (left <= 0) break;
    }
    return taken;
  }

  // Water-filling on factor leverage: with u = exposure towards the adverse side of the reduced
  // asset, each account ends at clip(eta, lowest, highest), where eta makes the sum right.
  function optimalFactor(book) {
    const v = book.risk.direction[book.k];
    if (v === 0) return reductions(book, "pro_rata");
    const { high, low, target } = leverageBounds(book);
    const eta = level(book.equity, high, low, book.most, target);
    const taken = new Float64Array(book.n);
    for (let i = 0; i < book.n; i++) {
      if (book.most[i] <= 0) continue;
      const down = Math.min(Math.max(high[i] - eta, 0), high[i] - low[i]);
      taken[i] = down >= high[i] - low[i] ? book.most[i] : Math.min((down * book.equity[i]) / Math.abs(v), book.most[i]);
    }
    closeSum(book, taken);
    return { taken, level: eta };
  }

  function leverageBounds(book) {
    const v = book.risk.direction[book.k], s = Math.sign(v) * book.side;
    const high = new Float64Array(book.n), low = new Float64Array(book.n);
    for (let i = 0; i < book.n; i++) {
      high[i] = (s * exposure(book, i)) / book.equity[i];
      low[i] = high[i] - (Math.abs(v) * book.most[i]) / book.equity[i];
    }
    return { high, low, target: Math.abs(v) * book.required };
  }

  // The root of sum_i E_i clip(high_i - eta, 0, high_i - low_i) = target: piecewise linear and
  // decreasing in eta, so its breakpoints are sorted and walked from above.
  function level(equity, high, low, most, target) {
    const points = [];
    for (let i = 0; i < equity.length; i++) {
      if (most[i] > 0) points.push([high[i], equity[i]], [low[i], -equity[i]]);
    }
    points.sort((a, b) => b[0] - a[0]);
    if (!points.length) return 0;
    let eta = points[0][0], slope = 0, sum = 0;
    for (const [point, change] of points) {
      const more = slope * (eta - point);
      if (slope > 0 && sum + more >= target) return eta - (target - sum) / slope;
      sum += more;
      slope = slope + change;
      eta = point;
    }
    return eta;
  }

  // What rounding leaves of the sum goes to the largest account that is reduced in part.
  function closeSum(book, taken) {
    let sum = 0, widest = -1;
    for (let i = 0; i < book.n; i++) {
      sum += taken[i];
      if (taken[i] > 0 && taken[i] < book.most[i] && (widest < 0 || taken[i] > taken[widest])) widest = i;
    }
    if (widest >= 0) {
      taken[widest] = Math.min(Math.max(taken[widest] + book.required - sum, 0), book.most[widest]);
    }
  }

  // Two correlated normal prices: every account partly reduced has the same marginal saving.
  function optimalNormal(book) {
    if (book.required >= book.available) return { taken: Float64Array.from(book.most), level: null };
    const rows = [];
    let upper = 0, lower = Infinity;
    for (let i = 0; i < book.n; i++) {
      if (book.most[i] <= 0) continue;
      const line = quadratic(book, i);
      rows.push(line);
      upper = Math.max(upper, saving(line, 0));
      lower = Math.min(lower, saving(line, line.most));
    }
    const at = (price) => rows.map((line) => reducedTo(line, price));
    const total = (list) => list.reduce((a, b) => a + b, 0);
    // Allocations at both ends of a shrinking bracket: the lower price takes more. What lies between
    // them is optimal too, which matters where accounts have the same saving on an interval.
    let fewest = rows.map(() => 0), mostTaken = rows.map((line) => line.most);
    for (let round = 0; round < 300; round++) {
      const middle = between(lower, upper);
      if (middle === upper || middle === lower) break;
      const found = at(middle);
      if (total(found) >= book.required) { lower = middle; mostTaken = found; } else { upper = middle; fewest = found; }
    }
    const a = total(fewest), b = total(mostTaken);
    const t = b > a ? Math.min(Math.max((book.required - a) / (b - a), 0), 1) : 0;
    const taken = new Float64Array(book.n);
    rows.forEach((line, r) => { taken[line.i] = fewest[r] + t * (mostTaken[r] - fewest[r]); });
    closeSum(book, taken);
    return { taken, level: null };
  }

  // The middle of a bracket of prices: by sign first, then by order of magnitude, then by value.
  function between(lower, upper) {
    if (lower < 0 && upper > 0) return 0;
    const a = lower === 0 ? Number.MIN_VALUE : lower, b = upper === 0 ? -Number.MIN_VALUE : upper;
    const quotient = Math.abs(b / a);
    if (quotient > 2 || quotient < 0.5) return Math.sign(a) * Math.sqrt(Math.abs(a)) * Math.sqrt(Math.abs(b));
    return a / 2 + b / 2;
  }

  // Variance of an account's loss as a quadratic a - 2 b x + c x^2 of the contracts x taken from it.
  function quadratic(book, i) {
    const { d, k, side } = book, S = book.risk.covariance;
    let a = 0, b = 0;
    for (let j = 0; j < d; j++) {
      for (let l = 0; l < d; l++) a += book.size[i * d + j] * S[j][l] * book.size[i * d + l];
      b += side * S[k][j] * book.size[i * d + j];
    }
    return { i, a, b, c: S[k][k], equity: book.equity[i], most: book.most[i] };
  }

  const deviation = (line, x) => Math.sqrt(Math.max(line.a - 2 * line.b * x + line.c * x * x, 0));

  // Marginal saving of expected loss per contract taken: phi(E / c) (b - c_kk x) / c.
  function saving(line, x) {
    const c = deviation(line, x);
    return c > 0 ? (density(line.equity / c) * (line.b - line.c * x)) / c : 0;
  }

  function reducedTo(line, price) {
    if (saving(line, 0) <= price) return 0;
    if (saving(line, line.most) >= price) return line.most;
    let lo = 0, hi = line.most, x = line.most / 2;
    for (let round = 0; round < 200; round++) {
      const f = saving(line, x) - price;
      if (f > 0) lo = x; else hi = x;
      // Newton's step on the saving, kept inside the bracket.
      const c = deviation(line, x), m = line.b - line.c * x;
      const z = line.equity / c;
      const slope = (density(z) / c) * (-line.c + ((m * m) / (c * c)) * (1 - z * z));
      let next = x - f / slope;
      if (!(next > lo && next < hi)) next = (lo + hi) / 2;
      if (next === x || hi - lo <= 1e-16 * line.most) return next;
      x = next;
    }
    return x;
  }

  // ---------------------------------------------------------------- values and bounds
  // Expected loss, its gradient by contract taken, and the bound of the linearisation.
  function evaluate(book, taken) {
    let value = 0;
    const gradient = new Float64Array(book.n);
    for (let i = 0; i < book.n; i++) {
      if (book.equity[i] <= 0) continue;
      if (book.risk.normal) {
        const line = quadratic(book, i), c = deviation(line, taken[i]);
        if (c > 0) value += c * excess(book.equity[i] / c);
        if (book.most[i] > 0) gradient[i] = -saving(line, taken[i]);
      } else {
        const v = book.risk.direction[book.k], before = exposure(book, i);
        const e = before - v * book.side * taken[i], c = Math.abs(e);
        if (c > 0) value += c * excess(book.equity[i] / c);
        if (book.most[i] > 0 && c > 0) {
          gradient[i] = -v * book.side * Math.sign(e) * density(book.equity[i] / c);
        }
      }
    }
    const { gap, price } = wolfe(book, taken, gradient);
    return { value, bound: Math.max(value - gap, 0), gap: value > 0 ? Math.min(gap, value) / value : 0, price };
  }

  // Largest decrease of the linearised loss over all allocations: a fractional knapsack, by a sort.
  function wolfe(book, taken, gradient) {
    const rows = [];
    let linear = 0;
    for (let i = 0; i < book.n; i++) {
      if (book.most[i] <= 0) continue;
      rows.push(i);
      linear += gradient[i] * taken[i];
    }
    rows.sort((a, b) => gradient[a] - gradient[b]);
    let left = book.required, least = 0, price = rows.length ? -gradient[rows[0]] : 0;
    for (const i of rows) {
      const part = Math.min(left, book.most[i]);
      least += gradient[i] * part;
      left -= part;
      price = -gradient[i];
      if (left <= 0) break;
    }
    return { gap: Math.max(linear - least, 0), price };
  }

  // Exposures after the reductions, one factor.
  function exposuresAfter(book, taken) {
    const v = book.risk.direction[book.k];
    return Float64Array.from({ length: book.n }, (_, i) => exposure(book, i) - v * book.side * taken[i]);
  }

  // Loss L(eps) = sum_i (-E_i - e_i eps)^+ at increasing shocks: thresholds sorted, sums carried on.
  function lossAt(book, exposures, shocks) {
    const loss = new Float64Array(shocks.length);
    for (const sign of [1, -1]) {
      const lines = [];
      for (let i = 0; i < book.n; i++) {
        const e = sign * exposures[i];
        if (e > 0 && book.equity[i] > 0) lines.push([-book.equity[i] / e, book.equity[i], e]);
      }
      lines.sort((a, b) => b[0] - a[0]);
      let equity = 0, slope = 0, next = 0;
      for (let t = 0; t < shocks.length; t++) {
        // Shocks from the mildest to the worst of this sign.
        const s = sign > 0 ? shocks.length - 1 - t : t, shock = sign * shocks[s];
        while (next < lines.length && lines[next][0] > shock) {
          equity += lines[next][1];
          slope += lines[next][2];
          next++;
        }
        loss[s] += Math.max(-equity - slope * shock, 0);
      }
    }
    return loss;
  }

  // Mean of the worst 1 - alpha of the losses, the last one in part.
  function cvar(loss, mass, alpha) {
    const order = Array.from(loss.keys()).sort((a, b) => loss[b] - loss[a]);
    let left = 1 - alpha, sum = 0;
    for (const s of order) {
      const part = Math.min(mass[s], left);
      sum += part * loss[s];
      left -= part;
      if (left <= 0) break;
    }
    return sum / (1 - alpha);
  }

  // P(L > t) at each loss in turn, from the largest down.
  function exceedance(loss, mass) {
    const order = Array.from(loss.keys()).sort((a, b) => loss[b] - loss[a]);
    let sum = 0;
    return order.filter((s) => loss[s] > 0).map((s) => [loss[s], (sum += mass[s])]);
  }

  // ---------------------------------------------------------------- the public face
  function solve(setting) {
    const book = read(setting), rule = setting.rule || "optimal";
    const { taken, level: eta } = reductions(book, rule);
    const found = evaluate(book, taken);
    const answer = {
      reductions: Array.from(taken, (x) => (x > 0 ? book.side * x : 0)),
      level: eta,
      expected_loss: found.value,
      lower_bound: found.bound,
      gap: found.gap,
      shadow_price: found.price,
      cvar: null,
    };
    if (!book.risk.normal && setting.alpha !== undefined) {
      const { value, mass } = strata(setting.points || 4096);
      answer.cvar = cvar(lossAt(book, exposuresAfter(book, taken), value), mass, setting.alpha);
    }
    return answer;
  }

  return { solve, read, reductions, evaluate, exposure, exposuresAfter, leverageBounds, lossAt, strata, cvar,
    exceedance, gross, excess, below, density, RULES };
})();
if (typeof module !== "undefined") module.exports = mathematics;
