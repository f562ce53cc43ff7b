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

    const { on, end, atEnd } = listening(model);
    // What is written is told when it matters - by Enter, or before anything else is asked of the kernel - and then in
    // order. Told letter by letter it would come late, and what the kernel says meanwhile would undo what was written.
    let told = model.get("value");
    let writing = false; // since it was told last
    const tell = () => {
      writing = false;
      if (input.value === told) return;
      told = input.value;
      model.send({ type: "value", value: told });
    };
    const dress = () => {
      words.textContent = model.get("label");
      input.placeholder = model.get("placeholder");
      input.disabled = model.get("disabled");
      input.className = model.get("code") ? "nsm-code" : "";
    };
    const value = () => {
      told = model.get("value");
      if (writing && document.activeElement === input) return;
      if (input.value !== told) input.value = told;
    };
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
    input.addEventListener("input", () => { writing = true; });
    input.addEventListener("blur", tell);
    for (const name of ["pointerdown", "nsm-places"]) {
      window.addEventListener(name, tell, true);
      atEnd(() => window.removeEventListener(name, tell, true));
    }
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      tellPlaces();
      // At once, not when the kernel says so: the next letter may be a key already.
      const frame = root.closest(".nsm-frame");
      const leaves = event.key === "Escape" ? ['[role="grid"]', ".nsm-lines-text[tabindex]"] : []; // where keys are heard
      const next = [...model.get("then"), ...leaves].map((each) => frame?.querySelector(each)).find(Boolean);
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
