/* tests/unit/test_decode_text.c: CSV and XML: records, odd texts, cuts, pieces,
 * bytes that are wrong, shapes of lists in XML. */
#include "decode.h"

#define CSV(fields, text, want)                                                \
  DECODE(cq_decode_csv, ".", fields, "", text, want)
#define XML(rows, fields, env, text, want)                                     \
  DECODE(cq_decode_xml, rows, fields, env, text, want)

/* ---- CSV ---------------------------------------------------------------------- */
static void test_csv_lines_are_records(void) {
  CSV("a any; b any", "a,b\n1,x\n2,y\n", "\"1\" \"x\"\n\"2\" \"y\"\n");
  CSV("b any; a any", "a,b\r\n1,x\r\n2,y", "\"x\" \"1\"\n\"y\" \"2\"\n");
  CSV("a integer; b real; c boolean", "a,b,c\n12,1.5,true\n", "12 1.5 1\n");
  CSV("all json .", "a,b\n1,\n", "<{\"a\":\"1\",\"b\":\"\"}>\n");
  CSV("a any", "", "");
  CSV("a any", "a\n", "");
  CSV("a any",
      "\xEF\xBB\xBF"
      "a,b\n\xC3\xA9,2\n",
      "\"\xC3\xA9\"\n");
}

static void test_csv_quotes_as_rfc_4180_has_them(void) {
  CSV("a any; b any", "a,b\n\"x,y\",\"he said \"\"hi\"\"\"\n",
      "\"x,y\" \"he said \\\"hi\\\"\"\n");
  CSV("a any; b any", "a,b\n\"two\nlines\",2\n", "\"two\\nlines\" \"2\"\n");
  CSV("q any [\"odd, name\"]", "\"odd, name\"\n1\n", "\"1\"\n");
  CSV("a any", "a\n\"\"\n", "\"\"\n");
}

static void test_csv_lines_that_are_odd(void) {
  CSV("a any; b any", "a,b\n\n1,2\n\n", "\"1\" \"2\"\n");
  CSV("c any; a any", "a,b\n1,2\n", "- \"1\"\n");
  CSV("a any; a_2 any; all json .", "a,a,a_2\n1,2,3\n",
      "\"1\" \"2\" <{\"a\":\"1\",\"a_2\":\"2\",\"a_2_2\":\"3\"}>\n");
  CSV("a any; b any", "a,b\n1\n", "\"1\" -\n"); /* as spreadsheets leave them */
  CSV("a any; b any", "a,b\n1,2,3\n",
      "answer is not CSV: line 2: 3 cells, the header has 2, at byte 4");
  CSV("a any", "a\n\"x\n", "answer is cut: the CSV ends too early, at byte 5");
  CSV("a any", "a\n\"x\"y\n",
      "answer is not CSV: text behind a closing quote at byte 5");
}

/* Whoever writes the answer says how long its header is. */
static void test_csv_header_of_one_name_is_read_in_linear_time(void) {
  enum { NAMES = 50000 };
  decode d;
  cq_buf b;

  cq_buf_init(&b, SIZE_MAX);
  for (int line = 0; line < 2; line++)
    for (int i = 0; i < NAMES; i++)
      cq_buf_str(&b, i + 1 < NAMES ? "a," : "a\n");
  CHECK_INT(decode_open(&d, &cq_decode_csv, ".",
                        "a any; last any a_50000; none any a_50001", "", 0),
            CQ_OK);
  CHECK_INT(decode_feed(&d, b.data, b.len, NULL, NULL), CQ_OK);
  CHECK_STR(decode_text(&d), "\"a\" \"a\" -\n");
  decode_close(&d);
  cq_buf_clear(&b);
}

static void test_csv_refuses_other_paths(void) {
  decode d;

  CHECK_INT(decode_open(&d, &cq_decode_csv, "a[*]", "a any", "", 0), CQ_ERROR);
  CHECK_STR(d.err.text,
            "csv: rows \"a[*]\": must be \".\", since each line is a "
            "record");
  decode_close(&d);
  CHECK_INT(decode_open(&d, &cq_decode_csv, ".", "a any b.c", "", 0), CQ_ERROR);
  CHECK_STR(d.err.text, "csv: path \"b.c\": must be a column's name or \".\"");
  decode_close(&d);
}

static const decode_sample csv[] = {
    {".", "a any; b text; all json .", "",
     "a,b,\"c d\"\r\n1,x,\"q\"\"r\"\r\n\"2\n3\",,\xC3\xA9\r\n"},
    {".", "n integer name", "", "name\n1\n22\n\n333\n"},
};

/* A CSV that ends after a whole line cannot be told from a whole one, so only
 * the quotes tell: HTTP's length is what guards it. */
static void test_csv_pieces_and_odd_bytes(void) {
  for (size_t i = 0; i < sizeof csv / sizeof *csv; i++) {
    decode_pieces(&cq_decode_csv, &csv[i]);
    decode_mutations(&cq_decode_csv, &csv[i]);
    decode_faults(&cq_decode_csv, &csv[i]);
  }
}

/* ---- XML ---------------------------------------------------------------------- */
static void test_xml_rows_paths(void) {
  XML("items.item[*]", "id integer; n text name", "",
      "<r><items><item><id>1</id><name>a</name></item><item><id>2</id>"
      "</item></items></r>",
      "1 \"a\"\n2 -\n");
  XML("item[*]", "x any .", "", "<r><item>1</item><o/><item>b</item></r>",
      "\"1\"\n\"b\"\n");
  XML(".", "a any", "", "<r><a>1</a></r>", "\"1\"\n");
  XML("a.b", "c any", "", "<r><a><b><c>3</c></b></a></r>", "\"3\"\n");
  XML("a[*].b[*]", "c any", "",
      "<r><a><b><c>1</c></b><b><c>2</c></b></a><a/><a><b><c>3</c></b></a></r>",
      "\"1\"\n\"2\"\n\"3\"\n");
  XML("item[*]", "x any", "",
      "<r xmlns=\"http://x/\" xmlns:p=\"http://p/\">"
      "<p:item><x>1</x></p:item></r>",
      "\"1\"\n");
}

static void test_xml_values(void) {
  XML("i[*]", "a any @k; b any t.@k; t any t; u any t.#text", "",
      "<r><i k=\"1\"><t k=\"2\">x</t></i></r>", "\"1\" \"2\" \"x\" \"x\"\n");
  XML("i[*]", "a any", "", "<r><i><a>1 &lt; 2 &amp; &#233;</a></i></r>",
      "\"1 < 2 & \xC3\xA9\"\n");
  XML("i[*]", "a any", "", "<r><i><a><![CDATA[<b>&]]></a></i></r>",
      "\"<b>&\"\n");
  XML("i[*]", "a boolean; b integer; c timestamp; d text", "",
      "<r><i><a>true</a><b>42</b><c>2024-01-02T03:04:05.000Z</c><d/></i></r>",
      "1 42 \"2024-01-02T03:04:05Z\" \"\"\n");
  XML("i[*]", "l json a", "", "<r><i><a>1</a><a>2</a></i><i><a>1</a></i></r>",
      "<[\"1\",\"2\"]>\n<\"1\">\n");
}

static void test_xml_envelope(void) {
  XML("i[*]", "x any", "t any next; m boolean more; d any a.b",
      "<r><i><x>1</x></i><next>tok</next><more>true</more><a><b>5</b></a></r>",
      "\"1\"\nenv \"tok\" 1 \"5\"\n");
  XML("i[*]", "x any", "t any next", "<r><next/></r>",
      "answer: no rows at \"i[*]\"\nhint: rows_optional: true, where the "
      "API leaves out an empty list");
}

static void test_xml_refuses_what_is_dangerous_or_wrong(void) {
  XML("i[*]", "x any", "",
      "<!DOCTYPE r [<!ENTITY a \"aaaa\">]><r><i><x>&a;</x></i></r>",
      "answer: XML with a document type is refused, at byte 12");
  XML("i[*]", "x any", "", "<r><i></r>",
      "answer is not XML: mismatched tag at byte 8");
  XML("i[*]", "x any", "", "<r><i><x>&nope;</x></i></r>",
      "answer is not XML: undefined entity at byte 9");
  XML("i[*]", "x any", "", "{\"a\":1}",
      "answer is not XML: not well-formed (invalid token) at byte 0");
  XML("i[*]", "x any", "", "<r><i/></r> x",
      "answer is not XML: junk after document element at byte 12");
}

static void test_xml_depth_is_bounded(void) {
  for (int deep = CQ_MAX_XML_DEPTH - 2; deep < CQ_MAX_XML_DEPTH + 2; deep++) {
    cq_buf b;
    decode d;

    cq_buf_init(&b, 1 << 20);
    for (int i = 0; i < deep; i++) cq_buf_str(&b, "<a>");
    for (int i = 0; i < deep; i++) cq_buf_str(&b, "</a>");
    CHECK_INT(decode_open(&d, &cq_decode_xml, ".", "x any", "", 0), CQ_OK);
    CHECK_INT(decode_feed(&d, b.data, b.len, NULL, NULL),
              deep <= CQ_MAX_XML_DEPTH ? CQ_OK : CQ_TOOBIG);
    decode_close(&d);
    cq_buf_clear(&b);
  }
}

static const decode_sample xml[] = {
    {"items.item[*]", "id integer; n text name; all json .; k text @k",
     "t any next",
     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r xmlns=\"http://x/\">"
     "<items><item k=\"v\"><id>1</id><name>a &amp; \xC3\xA9</name></item>"
     "<item><id>2</id><l><m>1</m><m>2</m></l></item></items><next>n</next></"
     "r>"},
    {".", "a any; b json c", "", "<r><a>x</a><c><d/></c></r>"},
};

static void test_xml_every_cut_is_told(void) {
  for (size_t i = 0; i < sizeof xml / sizeof *xml; i++)
    decode_cuts(&cq_decode_xml, &xml[i], "answer is cut: ");
}

static void test_xml_pieces_and_odd_bytes(void) {
  for (size_t i = 0; i < sizeof xml / sizeof *xml; i++) {
    decode_pieces(&cq_decode_xml, &xml[i]);
    decode_mutations(&cq_decode_xml, &xml[i]);
  }
}

int main(void) {
  RUN(test_csv_lines_are_records);
  RUN(test_csv_quotes_as_rfc_4180_has_them);
  RUN(test_csv_lines_that_are_odd);
  RUN(test_csv_header_of_one_name_is_read_in_linear_time);
  RUN(test_csv_refuses_other_paths);
  RUN(test_csv_pieces_and_odd_bytes);
  RUN(test_xml_rows_paths);
  RUN(test_xml_values);
  RUN(test_xml_envelope);
  RUN(test_xml_refuses_what_is_dangerous_or_wrong);
  RUN(test_xml_depth_is_bounded);
  RUN(test_xml_every_cut_is_told);
  RUN(test_xml_pieces_and_odd_bytes);
  return test_done();
}
