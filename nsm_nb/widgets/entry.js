// A line to write in: Enter submits it, Escape gives it up; where a word is wrong a caret stands under it.

export default {
  render({ model, el }) {
    const root = document.createElement("div");
    const label = document.createElement("label");
    const words = document.createElement("span");
    const input = document.createElement("input");
    const wrong = document.createElement("div");
    root.className = "nsm-entry";
    words.className = "nsm-entry-label";
    wrong.className = "nsm-entry-wrong nsm-code";
    wrong.setAttribute("role", "alert");
    wrong.id = `nsm-entry-${crypto.randomUUID()}`;
    input.type = "text";
    input.spellcheck = false;
    input.autocomplete = "off";
    input.setAttribute("aria-describedby", wrong.id);
    label.append(words, input);
    root.append(label, wrong);
    el.replaceChildren(root);

    const { on, end } = listening(model);
    const dress = () => {
      words.textContent = model.get("label");
      input.placeholder = model.get("placeholder");
      input.disabled = model.get("disabled");
      input.className = model.get("code") ? "nsm-code" : "";
    };
    const value = () => { if (input.value !== model.get("value")) input.value = model.get("value"); };
    const error = () => {
      const { column, text } = model.get("wrong");
      input.setAttribute("aria-invalid", String(Boolean(text)));
      wrong.textContent = text ? (column === null ? text : `${" ".repeat(column)}^ ${text}`) : "";
      wrong.style.display = text ? "" : "none";
      // The caret stands under the character: the field's text starts at its padding.
      wrong.style.paddingLeft = column === null ? "" : `${input.offsetLeft - root.offsetLeft + 7}px`;
      if (text && column !== null && document.activeElement === input) input.setSelectionRange(column, column);
    };
    for (const name of ["label", "placeholder", "disabled", "code"]) on(`change:${name}`, dress);
    on("change:value", value);
    on("change:wrong", error);
    on("msg:custom", (message) => {
      if (message.type !== "focus" || document.activeElement === input) return;
      input.focus();
      input.select();
    });
    input.addEventListener("input", () => {
      model.set("value", input.value);
      model.save_changes();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      tellPlaces();
      // At once, not when the kernel says so: the next letter may be a key already.
      const frame = root.closest(".nsm-frame");
      const next = model.get("then").map((each) => frame?.querySelector(each)).find(Boolean);
      next?.focus({ preventScroll: true });
      model.send({ type: event.key === "Enter" ? "submit" : "cancel", value: input.value });
      event.preventDefault();
      event.stopPropagation();
    });
    dress();
    value();
    error();
    return end;
  },
};
