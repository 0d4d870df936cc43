// A figure of the bundled plotly.js: redrawn only while it can be seen, one trace that moves alone, clicks by row.
export default {
  template: `<div role="img" :aria-label="label"></div>`,
  props: { options: Object, label: String },
  async mounted() {
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
    move(place) {
      const last = this.options.data.length - 1;
      if (this.Plotly && last >= 0) this.Plotly.restyle(this.$el, { x: [place.slice(0, 1)], y: [place.slice(1)] }, [last]);
    },
    update() {
      if (!this.Plotly) return;
      const { data, layout, config } = this.options;
      return this.Plotly.react(this.$el, data, layout, config);
    },
  },
};
