// The objective: which columns count, with which weight and which minimum value.
export default {
  template: `
    <div class="objective" role="group" aria-label="objective">
      <div class="objective-row objective-head" aria-hidden="true">
        <span>column</span><span>weight</span><span>minimum</span>
      </div>
      <template v-for="row in shown" :key="row.column">
        <div class="objective-row">
          <label class="check">
            <input type="checkbox" v-model="row.on" @change="send" /><span>{{ row.column }}</span>
          </label>
          <input type="text" inputmode="decimal" :value="row.on ? row.weight : ''" :disabled="!row.on"
            @input="row.weight = $event.target.value" :aria-label="'weight of ' + row.column" :aria-invalid="!!problemOf(row, 'weight')" @change="send" />
          <input type="text" inputmode="decimal" v-model="row.minimum" :placeholder="row.hint"
            :aria-label="'minimum value of ' + row.column" :aria-invalid="!!problemOf(row, 'minimum')" @change="send" />
        </div>
        <div class="problem" role="alert" v-if="problemOf(row, 'weight') || problemOf(row, 'minimum')">
          {{ problemOf(row, 'weight') || problemOf(row, 'minimum') }}
        </div>
      </template>
      <div class="problem" role="alert" v-if="problem">{{ problem }}</div>
      <button type="button" class="button plain" v-if="rows.length > firstCount" @click="all = !all" :aria-expanded="all">
        {{ all ? "Fewer columns" : "All " + rows.length + " columns" }}
      </button>
    </div>
  `,
  props: { rows: Array, version: Number, problems: Object, problem: String },
  data() {
    return { edited: this.copied(), all: false };
  },
  watch: {
    version() {
      this.edited = this.copied();
    },
  },
  computed: {
    shown() {
      return this.edited.filter((row) => this.all || row.first || row.on || row.minimum);
    },
    firstCount() {
      return this.rows.filter((row) => row.first).length;
    },
  },
  methods: {
    copied() {
      return this.rows.map((row) => ({ ...row }));
    },
    problemOf(row, field) {
      return (this.problems[row.column] || {})[field];
    },
    send() {
      this.$emit("edit", this.edited.map(({ column, on, weight, minimum }) => ({ column, on, weight, minimum })));
    },
  },
};
