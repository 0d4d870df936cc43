// A figure of the bundled plotly.js, drawn when it is first in sight. Axes and the star change without the other data
// being sent again.
export default {
  template: `<div role="img" :aria-label="label"></div>`,
  props: { options: Object, label: String },
  async mounted() {
    await this.seen();
    if (!this.$el?.isConnected) return;
    const { Plotly } = await import("nicegui-plotly");
    this.Plotly = Plotly;
    await this.update();
    this.$el.on("plotly_click", (event) => this.$emit("row", { row: event.points[0].customdata ?? -1 }));
    this.observer = new ResizeObserver(() => this.$el.offsetParent && Plotly.Plots.resize(this.$el));
    this.observer.observe(this.$el);
  },
  unmounted() {
    this.observer?.disconnect();
    this.Plotly?.purge(this.$el);
  },
  methods: {
    seen() {
      return new Promise((resolve) => {
        const watcher = new IntersectionObserver((entries) => {
          if (!entries.some((entry) => entry.isIntersecting)) return;
          watcher.disconnect();
          resolve();
        }, { rootMargin: "300px" });
        watcher.observe(this.$el);
      });
    },
    setAxes(positions, axes) {
      positions.forEach((position, k) => Object.assign(this.options.data[k], position));
      Object.assign(this.options.layout, axes);
      this.update();
    },
    moveStar(position) {
      const last = this.options.data.length - 1;
      if (last < 0) return;
      Object.assign(this.options.data[last], { x: position.slice(0, 1), y: position.slice(1) });
      this.Plotly?.restyle(this.$el, { x: [position.slice(0, 1)], y: [position.slice(1)] }, [last]);
    },
    update() {
      if (!this.Plotly) return;
      const { data, layout, config } = this.options;
      const copy = JSON.parse(JSON.stringify(layout)); // plotly.js writes the user's zoom into the layout it gets
      return this.Plotly.react(this.$el, data, copy, config);
    },
  },
};
