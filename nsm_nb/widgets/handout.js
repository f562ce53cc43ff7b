// Buttons that hand something out of the kernel: text to the clipboard, bytes as a file.

function save(name, kind, bytes) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export default {
  render({ model, el }) {
    const row = node("div", "nsm-handout");
    el.replaceChildren(row);
    const { on, end } = listening(model);
    const dress = () => {
      row.replaceChildren(...model.get("offers").map(({ what, label, title }) => {
        const button = node("button", "jupyter-widgets jupyter-button widget-button", { type: "button", title }, label);
        button.disabled = model.get("disabled");
        button.addEventListener("click", () => model.send({ type: "ask", what }));
        return button;
      }));
    };
    on("change:offers", dress);
    on("change:disabled", dress);
    on("msg:custom", async (message, buffers) => {
      if (message.type === "file") save(message.name, message.kind, buffers[0]);
      if (message.type === "text") {
        const done = await navigator.clipboard.writeText(message.text).then(() => true, () => false);
        model.send({ type: "copied", done });
      }
    });
    dress();
    return end;
  },
};
