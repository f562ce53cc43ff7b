// What a grid fetches and tells: windows of rows from the kernel, and where the reader stands to it.

const BLOCK = 100; // rows asked for at once
const KEPT = 60; // blocks kept

class Rows {
  // One question at a time: while a scrollbar is dragged, only where it rests is fetched.

  constructor(model) {
    this.model = model;
    this.forget();
  }

  forget() {
    this.blocks = new Map();
    this.waiting = null;
  }

  at(place) {
    const block = Math.floor(place / BLOCK);
    return this.blocks.get(block)?.[place - block * BLOCK];
  }

  ask(first, last) {
    if (this.waiting !== null) return;
    const count = this.model.get("_count");
    const to = Math.floor(Math.min(last, Math.max(0, count - 1)) / BLOCK);
    for (let block = Math.floor(first / BLOCK); block <= to && block * BLOCK < count; block++) {
      if (this.blocks.has(block)) continue;
      this.waiting = block;
      this.model.send({ type: "rows", version: this.model.get("_version"), start: block * BLOCK, count: BLOCK });
      return;
    }
  }

  arrived({ version, start, rows }) {
    if (version !== this.model.get("_version")) return;
    const block = start / BLOCK;
    this.blocks.set(block, rows);
    if (this.blocks.size > KEPT) this.blocks.delete(this.blocks.keys().next().value);
    if (this.waiting === block) this.waiting = null;
  }
}

class Place {
  // One telling at a time: while an arrow is held down and the kernel is busy, only where it rests is told. But ahead
  // of any other message: a verdict must never fall on the row that was chosen before.

  constructor(model) {
    this.model = model;
    this.held = this.told = false;
  }

  get() {
    const place = this.model.get("_place");
    const version = this.model.get("_version");
    // The column stays where the rows are others.
    return place.version === version ? place : { version, active: null, picked: [], column: place.column ?? null };
  }

  set(active, picked, column = this.get().column ?? null) {
    this.model.set("_place", { version: this.model.get("_version"), active, picked, column });
    this.held = true;
    if (!this.told) this.tell();
  }

  tell() {
    if (!this.held) return;
    this.held = false;
    this.told = true;
    this.model.send({ type: "place", ...this.get() });
  }

  heard() {
    this.told = false;
    this.tell();
  }
}
