// A clock in the page: it ends with the page, runs nothing while nobody looks, and never asks before it was answered.

export default {
  render({ model, el }) {
    el.style.display = "none";
    const { on, end, atEnd } = listening(model);
    let waiting = false;
    let timer = null;
    const tick = () => {
      if (waiting || document.hidden) return;
      waiting = true;
      model.send({ type: "tick" });
    };
    const start = () => {
      clearInterval(timer);
      const every = model.get("every");
      timer = every > 0 ? setInterval(tick, every * 1000) : null;
    };
    on("msg:custom", () => { waiting = false; });
    on("change:every", start);
    atEnd(() => clearInterval(timer));
    start();
    return end;
  },
};
