// What our modules share; it is put before each of them, for an ES module in a widget can import nothing beside it.

function node(name, className, attributes = {}, ...children) {
  const result = document.createElement(name);
  if (className) result.className = className;
  for (const [key, value] of Object.entries(attributes)) result.setAttribute(key, value);
  result.append(...children);
  return result;
}

function keyName(event) {
  // One character already says whether Shift was held ("?"); a named key (F1) does not.
  const shift = event.shiftKey && event.key.length > 1 ? "Shift+" : "";
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "") + shift + event.key;
}

const kept = new WeakSet();

function keepLetters(element) {
  // JupyterLab's one-letter commands (x cuts a cell!) stay out. It listens on the document, after us.
  if (!element || kept.has(element)) return;
  kept.add(element);
  element.addEventListener("keydown", (event) => {
    if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

function tellPlaces() {
  // Before anything is done about the chosen rows, every grid tells which they are: see GridView.tell.
  window.dispatchEvent(new Event("nsm-places"));
}

function listening(model) {
  // Listen to a model; the function that comes back ends all of it.
  const offs = [];
  const on = (name, handler) => {
    model.on(name, handler);
    offs.push(() => model.off(name, handler));
  };
  const end = () => offs.forEach((off) => off());
  return { on, end, atEnd: (off) => offs.push(off) };
}
