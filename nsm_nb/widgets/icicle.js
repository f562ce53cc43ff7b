// A tree of amounts as an icicle. Text is only ever set with textContent: evidence was written by an intruder.

const LEVEL = 21; // px, as in icicle.css
const NARROW = 16, WIDE = 110; // px; a narrower part shows no name, and no share

class IcicleView {
  constructor(model, el) {
    this.model = model;
    this.over = null; // the part under the mouse
    this.tree = node("div", "nsm-icicle-tree", { role: "tree", tabindex: "0" });
    this.read = node("div", "nsm-icicle-read", { "aria-live": "polite" });
    this.root = node("div", "nsm-icicle", {}, this.tree, this.read);
    keepLetters(this.root);
    el.replaceChildren(this.root);
    this.listen();
    this.draw();
  }

  draw() {
    const parts = this.model.get("parts");
    const width = this.tree.clientWidth || 800;
    const levels = parts.reduce((most, each) => Math.max(most, each.level + 1), 0);
    this.tree.setAttribute("aria-label", this.model.get("label"));
    this.tree.dataset.listens = this.model.get("listens").join(" ");
    this.tree.style.height = `${Math.max(levels, 1) * LEVEL}px`;
    this.over = null;
    this.tiles = parts.map((each, place) => {
      const tile = node("div", "nsm-icicle-part", { role: "treeitem", "aria-level": each.level + 1, id: `${this.name()}-${place}` });
      tile.style.left = `${100 * each.at}%`;
      tile.style.width = `max(2px, ${100 * each.size}%)`;
      tile.style.top = `${each.level * LEVEL}px`;
      if (each.colour) tile.style.setProperty("--nsm-part", `var(--nsm-proto-${each.colour})`);
      if (each.size * width >= NARROW) tile.append(each.name);
      if (each.size * width >= WIDE) tile.append(node("span", "nsm-icicle-share", {}, each.words.split(":")[0]));
      tile.title = `${each.path}: ${each.words}`;
      tile.setAttribute("aria-label", tile.title);
      return tile;
    });
    this.tree.replaceChildren(...this.tiles);
    if (!parts.length) this.tree.append(node("div", "nsm-icicle-empty", {}, this.model.get("empty")));
    this.place();
  }

  name() {
    this.id ??= `nsm-icicle-${Math.random().toString(36).slice(2)}`;
    return this.id;
  }

  place() {
    const active = this.model.get("active");
    this.tiles.forEach((tile, place) => {
      tile.classList.toggle("nsm-icicle-active", place === active);
      tile.setAttribute("aria-selected", place === active);
    });
    if (this.tiles[active]) this.tree.setAttribute("aria-activedescendant", this.tiles[active].id);
    else this.tree.removeAttribute("aria-activedescendant");
    this.reading();
  }

  reading() {
    const part = this.model.get("parts")[this.over ?? this.model.get("active")];
    this.read.textContent = part ? `${part.path}  ${part.words}` : "";
  }

  choose(place) {
    if (!this.tiles[place]) return;
    this.model.set("active", place);
    this.model.save_changes();
    this.place();
  }

  // The part beside, above or below another.
  step(key) {
    const parts = this.model.get("parts");
    const here = this.model.get("active");
    if (here === null || !parts[here]) return 0;
    const level = parts[here].level;
    const ahead = (from, step, fits) => {
      for (let place = from + step; place >= 0 && place < parts.length; place += step) if (fits(parts[place])) return place;
      return here;
    };
    if (key === "ArrowRight") return ahead(here, 1, (each) => each.level === level);
    if (key === "ArrowLeft") return ahead(here, -1, (each) => each.level === level);
    if (key === "ArrowUp") return level ? ahead(here, -1, (each) => each.level === level - 1) : here;
    if (key === "ArrowDown") return parts[here + 1]?.level === level + 1 ? here + 1 : here;
    return key === "Home" ? 0 : parts.length - 1;
  }

  key(event) {
    const name = keyName(event);
    if (["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"].includes(name)) this.choose(this.step(name));
    else if (this.model.get("listens").includes(name)) this.model.send({ type: "key", key: name, active: this.model.get("active") });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  at(event) {
    const place = this.tiles.indexOf(event.target.closest(".nsm-icicle-part"));
    return place < 0 ? null : place;
  }

  listen() {
    const { on, end, atEnd } = listening(this.model);
    this.close = end;
    for (const name of ["parts", "label", "empty", "listens"]) on(`change:${name}`, () => this.draw());
    on("change:active", () => this.place());
    this.tree.addEventListener("click", (event) => this.choose(this.at(event)));
    this.tree.addEventListener("pointermove", (event) => { this.over = this.at(event); this.reading(); });
    this.tree.addEventListener("pointerleave", () => { this.over = null; this.reading(); });
    this.tree.addEventListener("keydown", (event) => this.key(event));
    let width = 0;
    const watcher = new ResizeObserver(() => {
      if (this.tree.clientWidth && this.tree.clientWidth !== width) { width = this.tree.clientWidth; this.draw(); }
    });
    watcher.observe(this.tree);
    atEnd(() => watcher.disconnect());
  }
}

export default {
  render({ model, el }) {
    const view = new IcicleView(model, el);
    return () => view.close();
  },
};
