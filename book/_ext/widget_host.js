// Starts the page's interactive figures. `modules` maps a widget's name to its ES module's text.

// The part of a Jupyter widget's model that a module may use, without a kernel behind it.
function modelOf(state) {
  const listeners = new Map();
  const emit = (event) => (listeners.get(event) ?? []).forEach((callback) => callback());
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      emit(`change:${name}`);
      emit("change");
    },
    on: (event, callback) => listeners.set(event, [...(listeners.get(event) ?? []), callback]),
    off(event, callback) {
      const kept = (listeners.get(event) ?? []).filter((other) => callback && other !== callback);
      listeners.set(event, kept);
    },
    save_changes() {},
  };
}

async function start(figure) {
  const fallback = [...figure.childNodes];
  const stage = document.createElement("div");
  stage.className = "vq-stage";
  try {
    const source = modules[figure.dataset.vqWidget];
    if (source === undefined) throw new Error("no module of this name");
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const module = await import(address);
    URL.revokeObjectURL(address);
    figure.append(stage);
    await module.default.render({ model: modelOf(JSON.parse(figure.dataset.vqState)), el: stage });
    fallback.forEach((node) => node.remove());
    figure.dataset.vqReady = "yes";
  } catch (error) {
    // The reader keeps the text that stands in the figure's place.
    stage.remove();
    figure.dataset.vqReady = "no";
    console.info(`The figure ${figure.dataset.vqWidget} did not start: ${error}`);
  }
}

document.querySelectorAll("[data-vq-widget]").forEach(start);
