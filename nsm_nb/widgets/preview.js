// A document in a frame that can do nothing: no script, no form, no way out.

export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", ""); // an empty list: nothing is allowed
    frame.setAttribute("referrerpolicy", "no-referrer");
    frame.className = "nsm-preview";
    const draw = () => {
      frame.title = model.get("label");
      frame.style.height = `${model.get("height")}px`;
      frame.srcdoc = model.get("document");
      frame.style.display = model.get("document") ? "" : "none";
    };
    const { on, end } = listening(model);
    for (const name of ["document", "label", "height"]) on(`change:${name}`, draw);
    draw();
    el.replaceChildren(frame);
    return end;
  },
};
