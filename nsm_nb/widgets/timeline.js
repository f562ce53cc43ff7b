// Counts over time, with alerts above them and a window to brush and to zoom into, by mouse or by keyboard.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 62, RIGHT = 10, TOP = 4, BOTTOM = 34, LANE = 11;
const EDGE = 5; // px around an edge of the window where it is taken hold of
const STEPS = [1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
  10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000, 157680000, 630720000, 3153600000]; // seconds between ticks

function svg(name, attributes = {}, ...children) {
  const result = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) result.setAttribute(key, value);
  result.append(...children);
  return result;
}

function html(name, className, text = "") {
  const result = document.createElement(name);
  if (className) result.className = className;
  if (text) result.textContent = text;
  return result;
}

function clock(ns, every) {
  // UTC; fractions only where bins are shorter than a second.
  const milliseconds = ns / 1_000_000n;
  const stamp = new Date(Number(milliseconds)).toISOString();
  const rest = String(ns % 1_000_000_000n).padStart(9, "0");
  return { date: stamp.slice(0, 10), time: stamp.slice(11, 19) + (every < 1_000_000_000n ? `.${rest.slice(0, 6)}` : "") };
}

const exact = (number) => number.toLocaleString("en-US");

function short(number) {
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (number >= size) return `${+(number / size).toPrecision(3)} ${unit}`;
  }
  return `${+number.toPrecision(3)}`;
}

function spoken(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"]]) {
    if (seconds >= size) return `${+(seconds / size).toFixed(3)} ${unit}`;
  }
  return `${+(seconds * 1e6).toFixed(3)} µs`;
}

function round(top) {
  // The next handy number.
  const power = 10 ** Math.floor(Math.log10(Math.max(top, 1)));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((each) => each * power).find((each) => each >= top);
}

class TimelineView {
  constructor(model, el) {
    this.model = model;
    this.cursor = null; // the bin the keyboard stands on
    this.held = null; // what the mouse holds
    this.plot = svg("svg", { tabindex: "0", role: "application", "aria-roledescription": "timeline" });
    this.legend = html("div", "nsm-timeline-legend");
    this.read = html("div", "nsm-timeline-read");
    this.read.setAttribute("aria-live", "polite");
    this.log = html("input");
    this.log.type = "checkbox";
    const button = (words, title) => {
      const result = html("button", "nsm-timeline-button", words);
      result.type = "button";
      result.title = title;
      return result;
    };
    this.inward = button("zoom in", "Show the window alone, in finer intervals (z)");
    this.outward = button("zoom out", "Show what was shown before (Z)");
    this.clear = button("whole time", "Give up the window and all zooming (Escape gives up the window)");
    const label = html("label", "", "");
    label.append(this.log, " log scale");
    const bar = html("div", "nsm-timeline-bar");
    bar.append(this.legend, label, this.inward, this.outward, this.clear);
    this.root = html("div", "nsm-timeline");
    keepLetters(this.root);
    this.root.append(bar, this.plot, this.read);
    el.replaceChildren(this.root);
    this.listen();
    this.draw();
  }

  // --- the data ---

  take() {
    const data = this.model.get("bins");
    this.start = BigInt(data.start ?? 0);
    this.every = BigInt(data.every ?? 1_000_000_000);
    this.names = data.names ?? [];
    this.values = data.values ?? [];
    this.colours = data.colours ?? [];
    this.marks = data.marks ?? [];
    this.count = this.values[0]?.length ?? 0;
    this.width = Math.max(200, this.root.clientWidth || 600);
    this.height = this.model.get("height");
    this.top = TOP + (this.marks.length ? this.marks.length * LANE + 9 : 4);
    this.floor = this.height - BOTTOM;
    this.inner = this.width - LEFT - RIGHT;
    const totals = Array.from({ length: this.count }, (_, bin) => this.values.reduce((sum, each) => sum + each[bin], 0));
    this.most = this.model.get("log") ? Math.max(1, ...this.values.map((each) => each.reduce((a, b) => Math.max(a, b), 0)))
      : totals.reduce((a, b) => Math.max(a, b), 1);
    this.high = this.model.get("log") ? 10 ** Math.ceil(Math.log10(this.most + 1)) : round(this.most);
  }

  x(bin) {
    return LEFT + (bin / Math.max(1, this.count)) * this.inner;
  }

  y(value) {
    const share = this.model.get("log") ? Math.log10(value + 1) / Math.log10(this.high + 1) : value / this.high;
    return this.floor - share * (this.floor - this.top);
  }

  at(bin) {
    return this.start + BigInt(bin) * this.every;
  }

  binOf(ns) {
    return Math.min(this.count, Math.max(0, Number((BigInt(ns) - this.start) / this.every)));
  }

  windowBins() {
    const window = this.model.get("window");
    if (!window || !this.count) return null;
    const to = BigInt(window[1]) - this.start;
    return [this.binOf(window[0]), Math.min(this.count, Math.max(0, Number((to + this.every - 1n) / this.every)))];
  }

  // --- drawing ---

  draw() {
    this.take();
    this.log.checked = this.model.get("log");
    this.plot.setAttribute("width", this.width);
    this.plot.setAttribute("height", this.height);
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.plot.setAttribute("aria-label", this.model.get("label") +
      ". Arrow keys read the bins, with Shift they brush a window, Escape gives it up, z and Z zoom in and out, l changes the scale.");
    this.legend.replaceChildren(...this.names.map((name, place) => {
      const sum = this.values[place].reduce((a, b) => a + b, 0);
      const entry = html("span", "nsm-timeline-name");
      const swatch = html("span", "nsm-timeline-swatch");
      swatch.style.background = this.colour(place);
      entry.append(swatch, `${name} ${short(sum)}`);
      entry.title = `${name}: ${exact(sum)} ${this.model.get("unit")}`;
      return entry;
    }));
    if (!this.count) {
      this.plot.replaceChildren(svg("text", { x: 12, y: 24, class: "nsm-timeline-text" }));
      this.plot.firstChild.textContent = this.model.get("empty");
      this.brush = null;
      this.inward.disabled = true;
      this.outward.disabled = this.clear.disabled = !this.model.get("zooms").length;
      this.reading();
      return;
    }
    this.brush = svg("g");
    this.plot.replaceChildren(...this.grid(), ...(this.model.get("log") ? this.lines() : this.columns()), ...this.lanes(),
      this.brush, svg("line", { class: "nsm-timeline-cursor", y1: this.top, y2: this.floor, visibility: "hidden" }));
    this.drawWindow();
  }

  colour(place) {
    return `var(--nsm-proto-${this.colours[place] ?? "other"})`;
  }

  text(words, x, y, anchor, name = "nsm-timeline-text") {
    const result = svg("text", { x, y, "text-anchor": anchor, class: name });
    result.textContent = words;
    return result;
  }

  grid() {
    const parts = [];
    const levels = this.model.get("log")
      ? [0, ...Array.from({ length: Math.round(Math.log10(this.high)) + 1 }, (_, power) => 10 ** power)]
      : [0, 0.5, 1].map((share) => share * this.high);
    let free = Infinity;
    for (const level of levels) {
      const y = this.y(level);
      parts.push(svg("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y, class: "nsm-timeline-line" }));
      if (free - y < 13) continue;
      free = y;
      parts.push(this.text(short(level), LEFT - 5, y + 4, "end"));
    }
    const unit = this.text(this.model.get("unit"), 11, (this.floor + this.top) / 2, "middle");
    unit.setAttribute("transform", `rotate(-90 11 ${(this.floor + this.top) / 2})`);
    parts.push(unit, ...this.ticks());
    return parts;
  }

  ticks() {
    const seconds = (Number(this.every) * this.count) / 1e9;
    const wanted = Math.max(2, Math.floor(this.inner / 95));
    const step = STEPS.find((each) => seconds / each <= wanted) ?? STEPS.at(-1);
    const nanoseconds = BigInt(Math.round(step * 1e9));
    const parts = [];
    let day = "";
    const end = this.at(this.count);
    for (let tick = ((this.start + nanoseconds - 1n) / nanoseconds) * nanoseconds; tick <= end; tick += nanoseconds) {
      const x = LEFT + (Number(tick - this.start) / Number(end - this.start)) * this.inner;
      const { date, time } = clock(tick, nanoseconds);
      if (step >= 86400) { // the date is the label
        parts.push(svg("line", { x1: x, x2: x, y1: this.floor, y2: this.floor + 4, class: "nsm-timeline-axis" }));
        parts.push(this.text(date, Math.min(Math.max(x, LEFT + 24), this.width - RIGHT - 30), this.floor + 15, "middle"));
        if (!day) parts.push(this.text("UTC", Math.min(Math.max(x, LEFT + 24), this.width - RIGHT - 30), this.floor + 28, "middle"));
        day = date;
        continue;
      }
      parts.push(svg("line", { x1: x, x2: x, y1: this.floor, y2: this.floor + 4, class: "nsm-timeline-axis" }));
      parts.push(this.text(time, Math.min(x, this.width - RIGHT - 24), this.floor + 15, "middle"));
      if (date !== day) parts.push(this.text(`${date} UTC`, Math.max(LEFT + 30, Math.min(x, this.width - 60)), this.floor + 28, "middle"));
      day = date;
    }
    if (!day) parts.push(this.text(`${clock(this.start, this.every).date} UTC`, LEFT, this.floor + 28, "start"));
    return parts;
  }

  columns() {
    const base = new Array(this.count).fill(0);
    return this.names.map((name, place) => {
      let path = "";
      const gap = this.inner / this.count > 3 ? 0.5 : 0;
      this.values[place].forEach((value, bin) => {
        if (!value) return;
        const low = this.y(base[bin]);
        base[bin] += value;
        const high = Math.min(this.y(base[bin]), low - 0.75); // one packet is seen, too
        path += `M${(this.x(bin) + gap).toFixed(2)} ${low.toFixed(2)}V${high.toFixed(2)}H${(this.x(bin + 1) - gap).toFixed(2)}V${low.toFixed(2)}Z`;
      });
      return svg("path", { d: path, style: `fill: ${this.colour(place)}` });
    });
  }

  lines() {
    return this.names.map((name, place) => {
      let path = "";
      this.values[place].forEach((value, bin) => {
        const y = this.y(value).toFixed(2);
        path += `${bin ? "V" : `M${LEFT} `}${y}H${this.x(bin + 1).toFixed(2)}`;
      });
      return svg("path", { d: path, style: `stroke: ${this.colour(place)}; fill: none; stroke-width: 1.5`, "stroke-dasharray": ["", "6 2", "2 2", "8 2 2 2", "1 3", "12 3"][place] ?? "" });
    });
  }

  lanes() {
    return this.marks.flatMap(({ priority, counts }, lane) => {
      const y = TOP + lane * LANE;
      const parts = [this.text(`pr ${priority}`, LEFT - 5, y + 9, "end")];
      counts.forEach((count, bin) => {
        if (!count) return;
        const x = (this.x(bin) + this.x(bin + 1)) / 2;
        parts.push(svg("path", { d: `M${x - 3.5} ${y + 1}h7l-3.5 8z`, style: `fill: var(--nsm-mark-${priority})` }));
      });
      return parts;
    });
  }

  drawWindow() {
    if (!this.brush) return;
    const bins = this.windowBins();
    this.brush.replaceChildren();
    if (bins) {
      const [from, to] = bins.map((bin) => this.x(bin));
      const shade = (x, width) => svg("rect", { x, y: 0, width: Math.max(0, width), height: this.floor, class: "nsm-timeline-shade" });
      const edge = (x) => svg("line", { x1: x, x2: x, y1: 0, y2: this.floor, class: "nsm-timeline-edge" });
      this.brush.append(shade(LEFT, from - LEFT), shade(to, this.width - RIGHT - to), edge(from), edge(to));
    }
    this.inward.disabled = !this.model.get("window");
    this.outward.disabled = !this.model.get("zooms").length;
    this.clear.disabled = this.inward.disabled && this.outward.disabled;
    this.reading();
  }

  reading() {
    const cursor = this.plot.querySelector(".nsm-timeline-cursor");
    const bins = this.windowBins();
    if (this.cursor !== null && this.cursor < this.count) {
      const x = (this.x(this.cursor) + this.x(this.cursor + 1)) / 2;
      cursor?.setAttribute("x1", x);
      cursor?.setAttribute("x2", x);
      cursor?.setAttribute("visibility", "visible");
      const from = clock(this.at(this.cursor), this.every), to = clock(this.at(this.cursor + 1), this.every);
      const values = this.names.map((name, place) => `${name} ${exact(this.values[place][this.cursor])}`);
      const alerts = this.marks.filter((each) => each.counts[this.cursor]).map((each) => `${each.counts[this.cursor]} of priority ${each.priority}`);
      this.read.textContent = `${from.date} ${from.time} – ${to.time} UTC: ${values.join(", ")} ${this.model.get("unit")}` +
        (alerts.length ? `; alerts: ${alerts.join(", ")}` : "");
      return;
    }
    cursor?.setAttribute("visibility", "hidden");
    if (bins) {
      const [from, to] = this.model.get("window").map((each) => clock(BigInt(each), this.every));
      const sum = this.values.reduce((all, each) => all + each.slice(...bins).reduce((a, b) => a + b, 0), 0);
      const length = Number(BigInt(this.model.get("window")[1]) - BigInt(this.model.get("window")[0])) / 1e9;
      this.read.textContent = `window ${from.date} ${from.time} – ${to.date === from.date ? "" : `${to.date} `}${to.time} UTC, ${+length.toFixed(6)} s: ${exact(sum)} ${this.model.get("unit")}`;
    } else {
      const every = Number(this.every) / 1e9;
      this.read.textContent = this.count
        ? `${this.model.get("zooms").length ? "zoomed in; " : ""}drag to brush a window of time; a column is ${spoken(every)}` : "";
    }
  }

  // --- the window ---

  set(from, to) {
    const [low, high] = from <= to ? [from, to] : [to, from];
    const clip = (bin) => Math.min(this.count, Math.max(0, bin));
    this.model.set("window", clip(low) < clip(high) ? [String(this.at(clip(low))), String(this.at(clip(high)))] : null);
    this.model.save_changes();
    this.drawWindow();
  }

  zoomIn() {
    const window = this.model.get("window");
    if (!window) return;
    this.cursor = this.anchor = null;
    this.model.set("window", null);
    this.model.set("zooms", [...this.model.get("zooms"), window]);
    this.model.save_changes();
  }

  zoomOut() {
    const zooms = this.model.get("zooms");
    if (!zooms.length) return;
    this.cursor = this.anchor = null;
    this.model.set("zooms", zooms.slice(0, -1));
    this.model.set("window", zooms.at(-1));
    this.model.save_changes();
  }

  everything() {
    this.cursor = this.anchor = null;
    this.model.set("window", null);
    this.model.set("zooms", []);
    this.model.save_changes();
    this.drawWindow();
  }

  nothing() {
    this.model.set("window", null);
    this.model.save_changes();
    this.drawWindow();
  }

  bin(event) {
    const box = this.plot.getBoundingClientRect();
    return Math.floor(((event.clientX - box.left - LEFT) / this.inner) * this.count);
  }

  hold(event) {
    if (event.button !== 0 || !this.count) return;
    const bin = Math.min(this.count - 1, Math.max(0, this.bin(event)));
    const x = event.clientX - this.plot.getBoundingClientRect().left;
    const bins = this.windowBins();
    if (bins && Math.abs(x - this.x(bins[0])) <= EDGE) this.held = { from: bins[1] - 1 };
    else if (bins && Math.abs(x - this.x(bins[1])) <= EDGE) this.held = { from: bins[0] };
    else if (bins && bin > bins[0] && bin < bins[1] - 1) this.held = { shift: bin, bins };
    else this.held = { from: bin, fresh: true };
    this.plot.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.count) return;
    const bin = Math.min(this.count - 1, Math.max(0, this.bin(event)));
    if (!this.held) {
      this.cursor = event.clientX - this.plot.getBoundingClientRect().left < LEFT ? null : bin;
      this.reading();
      return;
    }
    this.cursor = null;
    if (this.held.fresh && bin === this.held.from) return; // a click alone brushes nothing
    this.held.fresh = false;
    if (this.held.bins) {
      const [from, to] = this.held.bins;
      const step = Math.max(-from, Math.min(this.count - to, bin - this.held.shift));
      this.set(from + step, to + step);
    } else this.set(Math.min(this.held.from, bin), Math.max(this.held.from, bin) + 1);
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined && this.count) {
      const before = this.cursor ?? (this.windowBins()?.[0] ?? 0) - (step > 0 ? 1 : 0);
      this.cursor = Math.min(this.count - 1, Math.max(0, before + step));
      if (event.shiftKey) {
        this.anchor ??= Math.max(0, before);
        this.set(Math.min(this.anchor, this.cursor), Math.max(this.anchor, this.cursor) + 1);
      } else this.anchor = null;
      this.reading();
    } else if (["Escape", "Delete", "Backspace"].includes(event.key)) {
      this.anchor = null;
      this.nothing();
    } else if (event.key === "l") this.scale();
    else if (event.key === "z") this.zoomIn();
    else if (event.key === "Z") this.zoomOut();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  scale() {
    this.model.set("log", !this.model.get("log"));
    this.model.save_changes();
    this.draw();
  }

  listen() {
    const { on, end, atEnd } = listening(this.model);
    this.close = end;
    for (const name of ["bins", "log", "label", "unit", "height", "empty"]) on(`change:${name}`, () => this.draw());
    on("change:window", () => this.drawWindow());
    on("change:zooms", () => this.drawWindow());
    this.inward.addEventListener("click", () => this.zoomIn());
    this.outward.addEventListener("click", () => this.zoomOut());
    this.plot.addEventListener("pointerdown", (event) => this.hold(event));
    this.plot.addEventListener("pointermove", (event) => this.move(event));
    this.plot.addEventListener("pointerup", () => { this.held = null; });
    this.plot.addEventListener("pointercancel", () => { this.held = null; });
    this.plot.addEventListener("pointerleave", () => { this.cursor = null; this.reading(); });
    this.plot.addEventListener("dblclick", () => this.nothing());
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("blur", () => { this.cursor = this.anchor = null; this.reading(); });
    this.log.addEventListener("change", () => this.scale());
    this.clear.addEventListener("click", () => this.everything());
    const watcher = new ResizeObserver(() => {
      if (this.root.clientWidth && Math.max(200, this.root.clientWidth) !== this.width) this.draw();
    });
    watcher.observe(this.root);
    atEnd(() => watcher.disconnect());
  }
}

export default {
  render({ model, el }) {
    const view = new TimelineView(model, el);
    return () => view.close();
  },
};
