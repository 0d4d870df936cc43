// The table of what is wanted: which columns, with which weight, and no worse than which floor.
export default {
  template: `
    <div class="wishes" role="group" aria-label="what is wanted">
      <div class="wish wish-head" aria-hidden="true"><span>column</span><span>weight</span><span>{{ floors }}</span></div>
      <template v-for="row in shown" :key="row.column">
        <div class="wish">
          <label class="check"><input type="checkbox" v-model="row.on" @change="tell" /><span>{{ row.column }}</span></label>
          <input type="text" inputmode="decimal" v-model="row.weight" :disabled="!row.on" :aria-label="'weight of ' + row.column"
            :aria-invalid="!!problem(row, 'weight')" @change="tell" />
          <input type="text" inputmode="decimal" v-model="row.floor" :placeholder="row.hint" :aria-label="'floor of ' + row.column"
            :aria-invalid="!!problem(row, 'floor')" @change="tell" />
        </div>
        <div class="problem" role="alert" v-if="problem(row, 'weight') || problem(row, 'floor')">
          {{ problem(row, 'weight') || problem(row, 'floor') }}
        </div>
      </template>
      <div class="problem" role="alert" v-if="whole">{{ whole }}</div>
      <button type="button" class="button plain" v-if="rows.length > short" @click="all = !all" :aria-expanded="all">
        {{ all ? "Fewer columns" : "All " + rows.length + " columns" }}
      </button>
    </div>
  `,
  props: { rows: Array, problems: Object, whole: String, floors: String },
  data() {
    return { mine: this.rows.map((row) => ({ ...row })), all: false };
  },
  computed: {
    shown() {
      return this.mine.filter((row) => this.all || row.first || row.on || row.floor);
    },
    short() {
      return this.rows.filter((row) => row.first).length;
    },
  },
  methods: {
    problem(row, field) {
      return (this.problems[row.column] || {})[field];
    },
    tell() {
      this.$emit("wish", this.mine.map(({ column, on, weight, floor }) => ({ column, on, weight, floor })));
    },
  },
};
