"use strict";
// Pictures as SVG. Names of accounts enter as text nodes only.
const pictures = (() => {
  const NS = "http://www.w3.org/2000/svg";

  function make(kind, attributes, text) {
    const node = document.createElementNS(NS, kind);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function canvas(place, height, title) {
    const width = Math.max(Math.min(place.clientWidth || 640, 900), 300);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
    place.replaceChildren(svg);
    const add = (kind, attributes, text) => svg.appendChild(make(kind, attributes, text));
    return { svg, width, height, add };
  }

  const short = (x) => {
    const a = Math.abs(x);
    if (a >= 1e9) return `${+(x / 1e9).toPrecision(3)}bn`;
    if (a >= 1e6) return `${+(x / 1e6).toPrecision(3)}m`;
    if (a >= 1e4) return `${+(x / 1e3).toPrecision(3)}k`;
    return `${+x.toPrecision(3)}`;
  };

  function ticks(low, high, count) {
    const raw = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
    const at = (step) => {
      const found = [];
      for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step) found.push(Math.abs(t) < step * 1e-9 ? 0 : t);
      return found;
    };
    const steps = [0.5, 1, 2, 5, 10].map((m) => m * power), k = steps.findIndex((step) => step >= raw), wide = at(steps[k]);
    return wide.length < 3 ? at(steps[k - 1]) : wide; // one number alone is no scale
  }

  // Axes with labels; returns the two scales.
  function axes(c, x, y, labels) {
    const left = 62, right = 12, top = 14, bottom = 44;
    const X = (v) => left + ((v - x[0]) / (x[1] - x[0] || 1)) * (c.width - left - right);
    const Y = (v) => c.height - bottom - ((v - y[0]) / (y[1] - y[0] || 1)) * (c.height - top - bottom);
    const own = (axis, v) => (labels.format && labels.format[axis] ? labels.format[axis](v) : short(v));
    for (const t of ticks(y[0], y[1], 5)) {
      c.add("line", { x1: left, x2: c.width - right, y1: Y(t), y2: Y(t), class: "grid" });
      c.add("text", { x: left - 6, y: Y(t) + 4, "text-anchor": "end" }, own("y", t));
    }
    if (!labels.plainX) {
      for (const t of ticks(x[0], x[1], Math.max(4, Math.floor(c.width / 110)))) {
        c.add("text", { x: X(t), y: c.height - bottom + 18, "text-anchor": "middle" }, own("x", t));
      }
    }
    c.add("line", { x1: left, x2: c.width - right, y1: Y(y[0]), y2: Y(y[0]), class: "axis" });
    c.add("line", { x1: left, x2: left, y1: top, y2: c.height - bottom, class: "axis" });
    c.add("text", { x: (left + c.width) / 2, y: c.height - 8, "text-anchor": "middle", class: "soft" }, labels.x);
    c.add("text", { x: 14, y: (c.height - bottom + top) / 2, "text-anchor": "middle", class: "soft",
      transform: `rotate(-90 14 ${(c.height - bottom + top) / 2})` }, labels.y);
    return { X, Y, left, right, top, bottom };
  }

  function legend(c, entries, x) {
    entries.forEach(([kind, name], i) => {
      const y = 20 + 18 * i;
      c.add("line", { x1: x, x2: x + 30, y1: y, y2: y, class: `curve ${kind}` });
      c.add("text", { x: x + 36, y: y + 4 }, name);
    });
  }

  const path = (points, s) => points.map(([x, y], i) => `${i ? "L" : "M"}${s.X(x).toFixed(1)} ${s.Y(y).toFixed(1)}`).join("");

  // columns: {name, equity, before, after}; level or null; onLevel(level) when it is moved.
  function filling(place, columns, level, onLevel) {
    const c = canvas(place, 340, "Factor leverage of each account before and after the reduction");
    const total = columns.reduce((sum, one) => sum + one.equity, 0) || 1;
    const high = Math.max(...columns.map((one) => one.before), level || 0, 1e-9) * 1.08;
    const low = Math.min(0, ...columns.map((one) => Math.min(one.before, one.after)), level || 0) * 1.08;
    const s = axes(c, [0, total], [low, high], { x: "accounts, width: equity", y: "factor leverage", plainX: true });
    const said = columns.slice(0, 8).map((one) => `${one.name} from ${one.before.toFixed(3)} to ${one.after.toFixed(3)}`);
    c.svg.setAttribute("aria-label", `Factor leverage of accounts before and after the reduction: ${said.join("; ")}${columns.length > 8 ? "; and more" : ""}`);
    let at = 0;
    const marks = [];
    for (const one of columns) {
      const x = s.X(at), w = s.X(at + one.equity) - x, gap = w > 4 ? 1 : 0;
      at += one.equity;
      const rect = (a, b, kind, opacity) => c.add("rect", { x: x + gap / 2, width: Math.max(w - gap, 0.4),
        y: s.Y(Math.max(a, b)), height: Math.abs(s.Y(a) - s.Y(b)), class: kind, "fill-opacity": opacity });
      rect(0, one.after, "fa", 0.55).appendChild(make("title", {}, `${one.name}: ${one.before.toFixed(3)} to ${one.after.toFixed(3)}`));
      if (one.before !== one.after) {
        rect(one.after, one.before, "fb", 0.3);
        marks.push([x, w, s.Y(one.before), s.Y(one.after)]);
      }
      if (w > 9 * Math.min(String(one.name).length, 8) && columns.length <= 40) {
        c.add("text", { x: x + w / 2, y: c.height - s.bottom + 18, "text-anchor": "middle" }, String(one.name).slice(0, 12));
      }
    }
    let hatch = "";
    for (const [x, w, y1, y2] of marks) {
      for (let h = 6; w > 8 && h < Math.abs(y2 - y1) && h < 400; h += 8) hatch += `M${x + 1} ${Math.min(y1, y2) + h}h${w - 2}`;
    }
    c.add("path", { d: hatch || "M0 0", class: "hatch", fill: "none" });
    if (level === null) return;
    const y = s.Y(level);
    const line = { x1: s.left, x2: c.width - s.right, y1: y, y2: y };
    const handle = c.add("line", { ...line, class: "level", tabindex: 0, role: "slider", id: "level",
      "aria-label": "Water level", "aria-orientation": "vertical", "aria-valuemin": low.toFixed(4), "aria-valuemax": high.toFixed(4), "aria-valuenow": level.toFixed(4) });
    const grip = c.add("line", { ...line, class: "grip level" });
    c.svg.setAttribute("role", "group");
    c.add("text", { x: c.width - s.right - 4, y: y - 7, "text-anchor": "end" }, `level ${level.toPrecision(4)}`);
    const box = () => c.svg.getBoundingClientRect();
    const drag = (event) => {
      const v = ((event.clientY - box().top) / box().height) * c.height;
      onLevel(low + ((c.height - s.bottom - v) / (c.height - s.top - s.bottom)) * (high - low));
    };
    for (const node of [handle, grip]) {
      node.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        const stop = () => { window.removeEventListener("pointermove", drag); window.removeEventListener("pointerup", stop); };
        window.addEventListener("pointermove", drag);
        window.addEventListener("pointerup", stop);
      });
    }
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -200, End: 200 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      onLevel(level + (step * (high - low)) / 200);
      const again = document.getElementById("level");
      if (again) again.focus();
    });
  }

  // rows: {name, fractions [two numbers]}
  function who(place, rows, names) {
    const height = 56 + 34 * rows.length;
    const said = rows.map((row) => `${row.name}: ${row.fractions.map((one) => `${(100 * one).toFixed(1)} %`).join(" and ")}`);
    const c = canvas(place, height, `Fraction reduced by account under ${names.join(" and ")}. ${said.join("; ")}`);
    const left = Math.min(110, c.width / 4), right = 62;
    names.forEach((name, r) => {
      c.add("rect", { x: left, y: 4 + 18 * r, width: 12, height: 12, class: r ? "fb" : "fa" });
      c.add("text", { x: left + 17, y: 15 + 18 * r }, name);
    });
    rows.forEach((row, i) => {
      const y = 46 + 34 * i;
      c.add("text", { x: left - 6, y: y + 17, "text-anchor": "end" }, String(row.name).slice(0, 14));
      row.fractions.forEach((fraction, r) => {
        const w = fraction * (c.width - left - right);
        c.add("rect", { x: left, y: y + 14 * r, width: Math.max(w, 0.5), height: 12, class: r ? "fb" : "fa" });
        c.add("text", { x: left + w + 5, y: y + 14 * r + 11, class: "soft" }, `${(100 * fraction).toFixed(1)} %`);
      });
    });
  }

  // curves: [kind, name, points]
  function curves(place, title, labels, list, extra) {
    const end = ([px, py]) => `${labels.format && labels.format.y ? labels.format.y(py) : short(py)} at ${short(px)}`;
    const said = list.filter(([, , points]) => points.length)
      .map(([, name, points]) => `${name}: from ${end(points[0])} to ${end(points[points.length - 1])}`);
    const c = canvas(place, 320, `${title}. ${said.join("; ")}`);
    const all = list.flatMap(([, , points]) => points);
    const xs = all.map((p) => p[0]), ys = all.map((p) => p[1]);
    const x = extra && extra.x ? extra.x : [Math.min(...xs), Math.max(...xs)];
    const y = [0, (Math.max(...ys) || 1) * 1.05];
    if (!all.length) { c.add("text", { x: 20, y: 40 }, "No loss at any shock."); return; }
    const s = axes(c, x, y, labels);
    for (const [kind, , points] of list) if (points.length) c.add("path", { d: path(points, s), class: `curve ${kind}` });
    if (extra && extra.dot) c.add("circle", { cx: s.X(extra.dot[0]), cy: s.Y(extra.dot[1]), r: 5, class: "fa" });
    legend(c, list, extra && extra.legendLeft ? s.left + 10 : Math.max(s.left + 10, c.width - 210));
  }

  return { filling, who, curves, short };
})();
