// A document in a frame that can do nothing: no script, no form, no way out.

export default {
  render({ model, el }) {
    const draw = () => {
      if (!model.get("document")) {
        el.replaceChildren();
        return;
      }
      // A new frame each time: Chromium shows nothing where the srcdoc of a sandboxed one changes.
      const frame = document.createElement("iframe");
      frame.setAttribute("sandbox", ""); // an empty list: nothing is allowed
      frame.setAttribute("referrerpolicy", "no-referrer");
      frame.className = "nsm-preview";
      frame.title = model.get("label");
      frame.style.height = `${model.get("height")}px`;
      frame.srcdoc = model.get("document");
      el.replaceChildren(frame);
    };
    const { on, end } = listening(model);
    for (const name of ["document", "label", "height"]) on(`change:${name}`, draw);
    draw();
    return end;
  },
};
