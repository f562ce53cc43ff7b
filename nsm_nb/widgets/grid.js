// A grid over any table. Python keeps the table; rows come window by window as they are looked at.
// Text is only ever set with textContent: evidence was written by an intruder.

const ROW = 22; // px, as in grid.css
const TALLEST = 8_000_000; // px; browsers end elements between 17 and 33 million
const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "CapsLock", "Dead"]);

let made = 0;

class GridView {
  constructor(model, el) {
    this.model = model;
    this.id = `nsm-grid-${++made}`;
    this.first = 0; // the row at the top
    this.anchor = null; // where a range began
    this.pool = [];
    this.resorted = null;
    this.rows = new Rows(model);
    this.where = new Place(model);
    this.build(el);
    this.listen();
    this.columns();
    this.listens();
    this.size();
  }

  // --- what is there ---

  build(el) {
    this.filter = node("input", "nsm-grid-filter", {
      type: "search",
      placeholder: "filter: words, all of which a row holds",
      "aria-label": "Filter rows by words",
      spellcheck: "false",
    });
    this.count = node("span", "nsm-grid-count", { "aria-live": "polite" });
    this.bar = node("div", "nsm-grid-bar", {}, this.filter, this.count);
    this.head = node("div", "nsm-grid-head", { role: "row", "aria-rowindex": "1" });
    this.body = node("div", "nsm-grid-body", { role: "rowgroup" });
    this.empty = node("div", "nsm-grid-empty");
    this.pane = node("div", "nsm-grid-pane", { role: "presentation" },
      node("div", "", { role: "rowgroup" }, this.head), this.body, this.empty);
    this.tall = node("div", "nsm-grid-tall", { role: "presentation" }, this.pane);
    this.scroller = node("div", "nsm-grid-scroll", { role: "grid", tabindex: "0", "aria-multiselectable": "true" }, this.tall);
    this.root = node("div", "nsm-grid", {}, this.bar, this.scroller);
    keepLetters(this.root);
    el.replaceChildren(this.root);
  }

  columns() {
    const columns = this.laid = this.model.get("_columns");
    const widths = columns.map((each, place) => {
      const chars = `calc(${each.width}ch + 14px)`;
      return place === columns.length - 1 && !each.right ? `minmax(${chars}, 1fr)` : chars;
    });
    this.root.style.setProperty("--nsm-columns", `18px ${widths.join(" ")}`);
    this.scroller.setAttribute("aria-colcount", columns.length);
    this.scroller.setAttribute("aria-label", this.model.get("label"));
    this.buttons = columns.map((each, place) => {
      const button = node("button", "nsm-grid-sort", { type: "button", tabindex: place ? "-1" : "0" });
      button.append(node("span", "nsm-grid-title"), node("span", "nsm-grid-arrow", { "aria-hidden": "true" }));
      button.firstChild.textContent = each.title;
      if (each.meaning) button.title = each.meaning;
      button.addEventListener("click", () => this.sortBy(each.name));
      button.addEventListener("keydown", (event) => this.alongHead(event, place));
      return button;
    });
    this.head.replaceChildren(
      node("span", "nsm-grid-mark", { role: "presentation" }),
      ...columns.map((each, place) =>
        node("span", each.right ? "nsm-right" : "", { role: "columnheader", "aria-colindex": place + 1 }, this.buttons[place])),
    );
    this.pool = [];
    this.body.replaceChildren();
    this.sorted();
  }

  listens() {
    // The frame's own keys leave these to the grid, which tells with them where it stands.
    this.scroller.dataset.listens = this.model.get("listens").join(" ");
  }

  sorted() {
    const [name, way] = this.model.get("sort") ?? [null, "none"];
    this.model.get("_columns").forEach((each, place) => {
      const mine = each.name === name;
      this.head.children[place + 1].setAttribute("aria-sort", mine ? way : "none");
      this.buttons[place].lastChild.textContent = mine ? (way === "ascending" ? "▲" : "▼") : "";
    });
  }

  size() {
    const rows = this.model.get("_count");
    const most = this.model.get("height");
    const height = this.model.get("fit") ? Math.min(most, Math.max(3, rows + 1) * ROW + this.headHeight()) : most;
    this.scroller.style.height = `${height}px`;
    this.scroller.setAttribute("aria-rowcount", rows + 1);
    this.pane.style.height = `${this.scroller.clientHeight || height}px`;
    this.whole = Math.min(rows * ROW, TALLEST);
    this.tall.style.height = `${this.whole + this.headHeight()}px`;
    this.bar.hidden = !this.model.get("filterable");
    this.bar.style.display = this.bar.hidden ? "none" : "";
    if (document.activeElement !== this.filter) this.filter.value = this.model.get("filter");
    const all = this.model.get("_total");
    const number = (each) => each.toLocaleString("en-US");
    this.count.textContent = (rows === all ? "" : `${number(rows)} of `) + `${number(all)} ${all === 1 ? "row" : "rows"}`;
    this.empty.textContent = rows ? "" : this.model.get("empty");
    this.to(this.first);
  }

  // --- windows of rows ---

  headHeight() {
    return this.head.offsetHeight || ROW + 2;
  }

  visible() {
    return Math.max(1, Math.floor((this.scroller.clientHeight - this.headHeight()) / ROW));
  }

  lastFirst() {
    return Math.max(0, this.model.get("_count") - this.visible());
  }

  arrived(message) {
    // Whoever writes goes on writing: a letter that came to the grid would be a key.
    const writing = document.activeElement?.closest("input, textarea, select");
    if (message.type === "focus" && !writing) this.scroller.focus({ preventScroll: true });
    if (message.type === "placed") this.where.heard();
    if (message.type !== "rows") return;
    this.rows.arrived(message);
    this.draw();
  }

  changed() {
    this.rows.forget();
    if (this.model.get("_version") === this.resorted) this.first = 0;
    this.size();
  }

  // --- drawing ---

  draw() {
    const columns = this.model.get("_columns");
    if (columns !== this.laid) this.columns(); // other columns may be told of after the rows
    const count = this.model.get("_count");
    const shown = Math.min(this.visible() + 1, count - this.first);
    while (this.pool.length < shown) this.pool.push(this.newRow(columns));
    const { active, picked, column } = this.where.get();
    this.pool.forEach((line, number) => {
      line.hidden = number >= shown;
      line.style.display = line.hidden ? "none" : "";
      if (!line.hidden) this.drawRow(line, this.first + number, columns, active, picked, column);
    });
    const inside = active !== null && active >= this.first && active < this.first + shown;
    if (inside) this.scroller.setAttribute("aria-activedescendant", `${this.id}-${active - this.first}`);
    else this.scroller.removeAttribute("aria-activedescendant");
    this.rows.ask(this.first, this.first + this.visible());
  }

  newRow(columns) {
    const line = node("div", "", { role: "row", id: `${this.id}-${this.pool.length}` });
    line.append(node("span", "nsm-grid-mark", { "aria-hidden": "true" }));
    columns.forEach((each, place) => {
      line.append(node("span", "", { role: "gridcell", "aria-colindex": place + 1 }));
    });
    this.body.append(line);
    return line;
  }

  drawRow(line, number, columns, active, picked, column) {
    const row = this.rows.at(number);
    const chosen = picked.some(([from, to]) => number >= from && number <= to);
    line.className = ["nsm-grid-row", number % 2 ? "nsm-odd" : "", number === active ? "nsm-active" : "",
      chosen ? "nsm-picked" : "", row?.classes?.row ?? ""].join(" ");
    line.setAttribute("aria-rowindex", number + 2);
    line.setAttribute("aria-selected", chosen);
    line.dataset.place = number;
    line.firstChild.textContent = chosen ? "✓" : number === active ? "▸" : "";
    columns.forEach((each, place) => {
      const cell = line.children[place + 1];
      const text = row ? row.texts[place] : "…";
      if (cell.textContent !== text) cell.textContent = text;
      const title = row?.titles?.[place] ?? "";
      if (cell.title !== title) cell.title = title;
      cell.className = (each.right ? "nsm-right " : "") + (each.code ? "nsm-code " : "") + (row?.classes?.[place] ?? "") +
        (place === columns.length - 1 && this.model.get("narrow") ? " nsm-grid-rest" : "") +
        (number === active && place === column ? " nsm-grid-cell" : "");
    });
  }

  to(first) {
    this.first = Math.min(Math.max(0, Math.round(first)), this.lastFirst());
    const most = this.scroller.scrollHeight - this.scroller.clientHeight;
    const last = this.lastFirst();
    this.scroller.scrollTop = last ? (this.first / last) * most : 0;
    this.mine = this.scroller.scrollTop; // our own scrolling, not the reader's
    this.draw();
  }

  scrolled() {
    if (this.scroller.scrollTop === this.mine) return;
    this.mine = null;
    const most = this.scroller.scrollHeight - this.scroller.clientHeight;
    const last = this.lastFirst();
    this.first = most > 0 ? Math.min(last, Math.round((this.scroller.scrollTop / most) * last)) : 0;
    this.draw();
  }

  wheel(event) {
    // Where the scrollbar stands for more rows than it has pixels, the wheel still moves row by row.
    if (this.whole < TALLEST || !event.deltaY || event.ctrlKey) return;
    const rows = event.deltaMode === 1 ? event.deltaY : event.deltaY / ROW;
    this.turned = (this.turned ?? 0) + rows;
    const whole = Math.trunc(this.turned);
    this.turned -= whole;
    const before = this.first;
    if (whole) this.to(this.first + whole);
    if (!whole || this.first !== before) event.preventDefault();
  }

  // --- choosing ---

  set(active, picked, column) {
    this.where.set(active, picked, column);
    this.draw();
  }

  along(step) {
    // The cursor's cell, where the grid has one: along its row, and into sight.
    const { active, picked, column } = this.where.get();
    const last = this.model.get("_columns").length - 1;
    this.set(active, picked, Math.min(Math.max(0, (column ?? (step > 0 ? -1 : last + 1)) + step), last));
    this.body.querySelector(".nsm-grid-cell")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  go(number, extend = false) {
    const count = this.model.get("_count");
    if (!count) return;
    const { active, picked } = this.where.get();
    const to = Math.min(Math.max(0, number), count - 1);
    if (!extend) this.anchor = to;
    this.set(to, extend ? [this.range(this.anchor ?? active ?? to, to)] : picked);
    if (to < this.first) this.to(to);
    else if (to >= this.first + this.visible()) this.to(to - this.visible() + 1);
  }

  range(from, to) {
    return from < to ? [from, to] : [to, from];
  }

  toggle(number) {
    const { picked } = this.where.get();
    const inside = picked.some(([from, to]) => number >= from && number <= to);
    if (!inside) return [...picked, [number, number]];
    return picked.flatMap(([from, to]) => {
      if (number < from || number > to) return [[from, to]];
      return [[from, number - 1], [number + 1, to]].filter(([low, high]) => low <= high);
    });
  }

  click(event) {
    const line = event.target.closest("[data-place]");
    if (!line) return;
    const number = Number(line.dataset.place);
    const { active, picked } = this.where.get();
    const cell = event.target.closest("[aria-colindex]");
    if (this.model.get("cells") && cell) this.where.set(active, picked, Number(cell.getAttribute("aria-colindex")) - 1);
    if (event.shiftKey) {
      this.set(number, [this.range(this.anchor ?? active ?? number, number)]);
    } else if (event.ctrlKey || event.metaKey) {
      const start = picked.length || active === null || active === number ? null : [active, active];
      this.set(number, start ? [start, [number, number]] : this.toggle(number));
      this.anchor = number;
    } else {
      this.anchor = number;
      this.set(number, []);
    }
  }

  sortBy(name) {
    const [now, way] = this.model.get("sort") ?? [null, "none"];
    const next = now !== name ? "ascending" : way === "ascending" ? "descending" : null;
    this.resorted = this.model.get("_version") + 1; // whoever sorts wants to see the top
    this.model.set("sort", next ? [name, next] : null);
    this.model.save_changes();
  }

  alongHead(event, place) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = this.buttons[place + (step ?? 0)];
    if (event.key === "ArrowDown") this.scroller.focus();
    else if (step && next) {
      this.buttons[place].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    } else if (event.key !== "Enter" && event.key !== " ") return;
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== " ") event.preventDefault();
  }

  key(event) {
    if (MODIFIERS.has(event.key)) return;
    const name = keyName(event);
    const { active, picked, column } = this.where.get();
    const here = active ?? this.first - 1;
    const page = Math.max(1, this.visible() - 1);
    const moves = {
      ArrowDown: here + 1, j: here + 1, ArrowUp: (active ?? 1) - 1, k: (active ?? 1) - 1,
      PageDown: (active ?? 0) + page, PageUp: (active ?? 0) - page, Home: 0, End: this.model.get("_count") - 1,
    };
    const plain = name.replace(/^Shift\+/, "");
    if (this.model.get("listens").includes(name)) {
      tellPlaces();
      this.model.send({ type: "key", key: name, version: this.model.get("_version"), active, picked, column });
    }
    else if (this.model.get("cells") && active !== null && ["ArrowLeft", "ArrowRight"].includes(plain)) {
      this.along(plain === "ArrowRight" ? 1 : -1);
    }
    else if (Object.hasOwn(moves, plain)) this.go(moves[plain], name !== plain);
    else if ((name === "x" || name === " ") && active !== null) this.set(active, this.toggle(active));
    else if (name === "Ctrl+a") this.set(active, this.model.get("_count") ? [[0, this.model.get("_count") - 1]] : []);
    else if (name === "Escape" && picked.length) this.set(active, []);
    else if (name === "Enter" && active !== null) this.activate(active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  activate(active) {
    tellPlaces();
    this.model.send({ type: "activate", version: this.model.get("_version"), active });
  }

  // --- what happens ---

  listen() {
    const { on, end, atEnd } = listening(this.model);
    this.close = end;
    on("msg:custom", (message) => this.arrived(message));
    on("change:_version", () => this.changed());
    on("change:_columns", () => { this.columns(); this.changed(); });
    on("change:_place", () => this.placed());
    on("change:sort", () => this.sorted());
    on("change:height", () => this.size());
    on("change:listens", () => this.listens());
    on("change:label", () => this.scroller.setAttribute("aria-label", this.model.get("label")));
    const tell = () => this.where.tell();
    for (const name of ["pointerdown", "nsm-places"]) {
      window.addEventListener(name, tell, true);
      atEnd(() => window.removeEventListener(name, tell, true));
    }
    this.scroller.addEventListener("scroll", () => requestAnimationFrame(() => this.scrolled()));
    this.scroller.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("dblclick", (event) => {
      const line = event.target.closest("[data-place]");
      if (line) this.activate(Number(line.dataset.place));
    });
    this.body.addEventListener("mouseover", ({ target }) => {
      // What is cut off can be read in full.
      if (!target.title && target.scrollWidth > target.clientWidth) target.title = target.textContent;
    });
    this.filter.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => {
        this.model.set("filter", this.filter.value);
        this.model.save_changes();
      }, 250);
    });
    this.filter.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") { this.scroller.focus(); event.preventDefault(); }
    });
    const watcher = new ResizeObserver(() => {
      const height = `${this.scroller.clientHeight}px`;
      if (this.pane.style.height !== height) this.size();
    });
    watcher.observe(this.scroller);
    atEnd(() => watcher.disconnect());
  }

  placed() {
    const { active } = this.where.get();
    const away = this.model.get("_version") !== this.resorted;
    this.resorted = null;
    if (away && active !== null && (active < this.first || active >= this.first + this.visible())) {
      this.to(active - Math.floor(this.visible() / 2)); // Python moved it: bring it into sight
    } else this.draw();
  }
}

export default {
  render({ model, el }) {
    const view = new GridView(model, el);
    return () => view.close();
  },
};
