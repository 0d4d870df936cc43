// Shows the state of the page as the query of its address, and says when the user goes back or forward.
export default {
  template: `<span hidden></span>`,
  props: { wait: Number },
  data() {
    return { waiting: null, timer: null };
  },
  mounted() {
    window.addEventListener("popstate", this.visit);
  },
  unmounted() {
    window.removeEventListener("popstate", this.visit);
    clearTimeout(this.timer);
  },
  methods: {
    // A step of the history is added at once. Other changes replace the last step after a pause, because browsers limit
    // how often an address may change.
    show(query, step) {
      clearTimeout(this.timer);
      if (step) {
        this.replace();
        this.write("pushState", query);
      } else {
        this.waiting = query;
        this.timer = setTimeout(this.replace, this.wait);
      }
    },
    replace() {
      if (this.waiting !== null) this.write("replaceState", this.waiting);
      this.waiting = null;
    },
    write(how, query) {
      const { pathname, search } = window.location;
      const wanted = query && "?" + query;
      if (wanted !== search) window.history[how](null, "", pathname + wanted);
    },
    visit() {
      clearTimeout(this.timer);
      this.waiting = null;
      this.$emit("visit", { query: window.location.search.slice(1) });
    },
  },
};
