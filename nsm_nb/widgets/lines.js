// Text in lines of coloured spans, set with textContent only. With `listens`, also the keyboard of the frame around it.

function draw(model, text) {
  const lines = model.get("lines").map(({ style, spans }) => {
    const line = document.createElement("div");
    line.className = `nsm-line ${style}`;
    for (const [words, look, title] of spans) {
      const span = document.createElement("span");
      if (look) span.className = look;
      if (title) span.title = title;
      span.textContent = words;
      line.append(span);
    }
    return line;
  });
  text.replaceChildren(...lines);
}

function dress(model, text) {
  const look = ["nsm-lines-text", model.get("code") ? "nsm-code" : "", model.get("fixed") ? "nsm-fixed" : "", model.get("boxed") ? "nsm-boxed" : ""];
  text.className = look.join(" ");
  const height = model.get("height");
  text.style.maxHeight = height ? `${height}px` : "";
  // What scrolls must be reachable by keyboard.
  if (height) text.tabIndex = 0;
  else text.removeAttribute("tabindex");
  for (const [name, value] of [["role", model.get("role")], ["aria-label", model.get("label")], ["aria-live", model.get("live")]]) {
    if (value) text.setAttribute(name, value);
    else text.removeAttribute(name);
  }
  if (model.get("role") === "heading") text.setAttribute("aria-level", "3");
}

function mark(model, text) {
  for (const each of text.querySelectorAll(".nsm-found")) each.classList.remove("nsm-found");
  const line = text.children[model.get("at") ?? -1];
  if (!line) return;
  line.classList.add("nsm-found");
  text.scrollTop = line.offsetTop - text.offsetTop - text.clientHeight / 3;
}

function placeOf(text, node, offset) {
  // The number of a line and the column in it of a place in the document; null where that is none of our lines.
  if (node === text) return [offset, 0];
  let line = node;
  while (line && line.parentNode !== text) line = line.parentNode;
  if (!line) return null;
  const before = document.createRange();
  before.selectNodeContents(line);
  before.setEnd(node, offset);
  return [Array.prototype.indexOf.call(text.children, line), before.toString().length];
}

function tellSelection(model, text) {
  const chosen = document.getSelection();
  if (!model.get("selects") || !chosen.rangeCount) return;
  const range = chosen.getRangeAt(0);
  const from = placeOf(text, range.startContainer, range.startOffset);
  const to = placeOf(text, range.endContainer, range.endOffset);
  if (from && to) model.send({ type: "select", from, to });
}

export default {
  render({ model, el }) {
    const text = document.createElement("div");
    el.classList.add("nsm-lines");
    el.replaceChildren(text);
    const { on, end, atEnd } = listening(model);
    const all = () => { dress(model, text); draw(model, text); mark(model, text); };
    on("change:lines", all);
    on("change:at", () => mark(model, text));
    for (const name of ["code", "fixed", "boxed", "height", "role", "label", "live"]) on(`change:${name}`, () => dress(model, text));
    all();
    for (const name of ["mouseup", "keyup"]) text.addEventListener(name, () => setTimeout(() => tellSelection(model, text)));

    const pressed = (event) => {
      const frame = el.closest(".nsm-frame");
      const name = keyName(event);
      if (!frame?.contains(event.target) || !model.get("listens").includes(name)) return;
      // Characters belong to the field that is being written in; F-keys do not.
      if (event.key.length === 1 && event.target.closest("input, textarea, select")) return;
      // Words that follow a key that asks for them must not wait for the kernel: they would be keys themselves.
      const entry = frame.querySelector(".nsm-asked input");
      const when = model.get("asks")[name];
      const asks = entry && (when === "always" || (when === "empty" && !entry.value.trim()));
      if (asks) entry.focus();
      // A grid tells of it, with the row that was seen; a key that asks for words judges no row yet.
      if (!asks && event.target.closest("[data-listens]")?.dataset.listens.split(" ").includes(name)) return;
      event.preventDefault();
      event.stopPropagation();
      tellPlaces();
      model.send({ type: "key", key: name });
    };
    // On the window, so that it comes before JupyterLab's own listener on the document.
    window.addEventListener("keydown", pressed, true);
    atEnd(() => window.removeEventListener("keydown", pressed, true));
    if (model.get("role") === "heading") {
      const attached = new ResizeObserver(() => keepLetters(el.closest(".nsm-frame")));
      attached.observe(el); // told when it is in the page, which comes after it is drawn
      atEnd(() => attached.disconnect());
    }
    return end;
  },
};
