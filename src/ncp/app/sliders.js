// Sliders and selects for the dimensions of a code, in groups that fold.
export default {
  template: `
    <div class="sliders">
      <details v-for="(group, g) in groups" :key="group.name" class="group" :open="!narrow || g === 0">
        <summary><span class="group-name" :title="group.name">{{ group.name }}</span><span class="group-code">{{ summary(group) }}</span></summary>
        <div v-for="dim in group.dims" :key="dim.place" class="slider">
          <label :for="id + '-' + dim.place" :title="dim.name">{{ dim.label }}</label>
          <select v-if="dim.named" :id="id + '-' + dim.place" :aria-label="dim.full"
            :value="now[dim.place]" @change="set(dim, $event)">
            <option v-for="(value, k) in dim.values" :key="k" :value="k">{{ value }}</option>
          </select>
          <template v-else>
            <input type="range" :id="id + '-' + dim.place" min="0" :max="dim.values.length - 1" step="1"
              :aria-label="dim.full" :aria-valuetext="String(dim.values[now[dim.place]])"
              :value="now[dim.place]" :style="{ '--share': now[dim.place] / (dim.values.length - 1) }"
              @input="set(dim, $event)" />
            <output :for="id + '-' + dim.place">{{ dim.values[now[dim.place]] }}</output>
          </template>
        </div>
      </details>
    </div>
  `,
  props: { groups: Array, values: Array, answered: Number, id: String },
  data() {
    return { now: [...this.values], moves: 0, narrow: window.matchMedia("(max-width: 899px)").matches };
  },
  watch: {
    values(given) {
      if (this.answered < this.moves) return; // the answer to an earlier move would undo a later one
      this.now = [...given];
    },
  },
  methods: {
    set(dim, event) {
      this.now[dim.place] = Number(event.target.value);
      this.moves += 1;
      this.$emit("slide", { place: dim.place, index: this.now[dim.place], move: this.moves });
    },
    summary(group) {
      return group.dims.map((dim) => dim.values[this.now[dim.place]]).join(" ");
    },
  },
};
